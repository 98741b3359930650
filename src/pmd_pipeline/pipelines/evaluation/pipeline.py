"""Stage 5: every policy on the evaluation problems."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.pipelines.evaluation import nodes


def create_pipeline(
    *, algorithms: Sequence[str], num_phases: int, rounds_per_phase: int
) -> Pipeline:
    """Return the evaluation of the initial policy and of every algorithm's policy after each phase.

    Args:
        algorithms: Labels of the algorithms; an evaluation stands in its algorithm's namespace.
        num_phases: Phases per algorithm.
        rounds_per_phase: Rounds that a policy has seen more after each phase.
    """
    phases = range(1, num_phases + 1)
    evaluations = [_evaluate("initial", "initial_policy", tag="initial")]
    for label in algorithms:
        evaluations += [
            _evaluate(f"{label}.phase_{phase}", f"{label}.phase_{phase}.policy", tag=label)
            for phase in phases
        ]
        evaluations.append(_summarise(label, phases, rounds_per_phase))
        evaluations.append(_compare_with_theory(label, phases))
    return sum(evaluations, Pipeline([]))


def _summarise(label: str, phases: range, rounds_per_phase: int) -> Pipeline:
    """Return the node that puts the phases of one algorithm together."""
    tables = {
        f"{table}_{phase}": f"{label}.phase_{phase}.{table}"
        for phase in phases
        for table in ("eval_metrics", "eval_completions", "round_metrics")
    }
    return Pipeline(
        [
            Node(
                nodes.make_summarise(label, phases, rounds_per_phase),
                inputs={"initial": "initial_metrics", **{name: name for name in tables}},
                outputs=["comparison", "completions", "round_metrics"],
                name="summarise",
            )
        ],
        namespace=label,
        inputs={"initial_metrics": "initial.eval_metrics", **tables},
        tags=["evaluation", label],
    )


def _compare_with_theory(label: str, phases: range) -> Pipeline:
    """Return the node that holds every round of one algorithm against its exact update."""
    rollouts = {f"rollouts_{phase}": f"{label}.phase_{phase}.rollouts" for phase in phases}
    parameters = {"algorithm": f"params:algorithms.{label}", "rewards": "params:rewards"}
    return Pipeline(
        [
            Node(
                nodes.make_compare_with_theory(label),
                inputs={**parameters, **{name: name for name in rollouts}},
                outputs="theory_groups",
                name="compare_with_theory",
            )
        ],
        namespace=label,
        inputs=rollouts,
        parameters={name: name for name in parameters.values()},
        tags=["evaluation", label],
    )


def _evaluate(namespace: str, policy: str, *, tag: str) -> Pipeline:
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
        tags=["evaluation", tag],
    )
