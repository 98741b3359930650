"""Stage 5: every policy on the evaluation problems."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.pipelines.evaluation import nodes
from pmd_pipeline.pipelines.training.nodes import phase_name


def create_pipeline(
    *, runs: Sequence[TrainingRun], num_phases: int, rounds_per_phase: int
) -> Pipeline:
    """Return the evaluation of the initial policy and of each policy that a phase ends with.

    Args:
        runs: The training runs; an evaluation stands in its training run's namespace.
        num_phases: Phases per training run.
        rounds_per_phase: Rounds that a policy has seen more after each phase.
    """
    phases = range(1, num_phases + 1)
    evaluations = [_evaluate("initial", "initial_policy", tags=["initial"])]
    for run in runs:
        for phase in phases:
            namespace = f"{run.namespace}.{phase_name(phase)}"
            evaluations.append(_evaluate(namespace, f"{namespace}.policy", tags=_tags(run)))
        evaluations.append(_summarise(run, phases, rounds_per_phase))
        evaluations.append(_compare_with_theory(run, phases))
    return Pipeline(evaluations)


def _tags(run: TrainingRun) -> list[str]:
    return [run.algorithm, run.seed_name]


def _summarise(run: TrainingRun, phases: range, rounds_per_phase: int) -> Pipeline:
    """Return the node that puts the phases of one training run together."""
    tables = {
        f"{table}_{phase}": f"{run.namespace}.{phase_name(phase)}.{table}"
        for phase in phases
        for table in ("eval_metrics", "eval_completions", "round_metrics")
    }
    return Pipeline(
        [
            Node(
                nodes.make_summarise(run, phases, rounds_per_phase),
                inputs={"initial": "initial_metrics", **{name: name for name in tables}},
                outputs=["comparison", "completions", "round_metrics"],
                name="summarise",
            )
        ],
        namespace=run.namespace,
        inputs={"initial_metrics": "initial.eval_metrics", **tables},
        tags=["evaluation", *_tags(run)],
    )


def _compare_with_theory(run: TrainingRun, phases: range) -> Pipeline:
    """Return the node that holds every round of one training run against its exact update."""
    rollouts = {
        f"rollouts_{phase}": f"{run.namespace}.{phase_name(phase)}.rollouts" for phase in phases
    }
    parameters = {
        "training": "params:training",
        "algorithm": f"params:algorithms.{run.algorithm}",
        "rewards": "params:rewards",
    }
    return Pipeline(
        [
            Node(
                nodes.make_compare_with_theory(run),
                inputs={**parameters, **{name: name for name in rollouts}},
                outputs="theory_groups",
                name="compare_with_theory",
            )
        ],
        namespace=run.namespace,
        inputs=rollouts,
        parameters={name: name for name in parameters.values()},
        tags=["evaluation", *_tags(run)],
    )


def _evaluate(namespace: str, policy: str, *, tags: Sequence[str]) -> Pipeline:
    return Pipeline(
        [
            Node(
                nodes.evaluate_policy,
                inputs=[
                    "policy",
                    "eval_problems",
                    "rollout_engine",
                    "params:evaluation",
                    "params:rewards",
                    "params:compute",
                    "params:seed",
                ],
                outputs="eval_completions",
                name="evaluate",
            ),
            Node(
                nodes.compute_eval_metrics,
                inputs=["eval_completions", "params:evaluation", "params:rewards"],
                outputs="eval_metrics",
                name="compute_metrics",
            ),
        ],
        namespace=namespace,
        inputs={
            "policy": policy,
            "eval_problems": "eval_problems",
            "rollout_engine": "rollout_engine",
        },
        parameters={
            f"params:{name}": f"params:{name}"
            for name in ("evaluation", "rewards", "compute", "seed")
        },
        tags=["evaluation", *tags],
    )
