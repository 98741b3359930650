"""Stage 5: every policy on the evaluation problems."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.pipelines.evaluation import nodes


def create_pipeline(*, algorithms: Sequence[str], num_phases: int) -> Pipeline:
    """Return the evaluation of the initial policy and of every algorithm's policy after each phase.

    Args:
        algorithms: Labels of the algorithms; an evaluation stands in its algorithm's namespace.
        num_phases: Phases per algorithm.
    """
    evaluations = [_evaluate("initial", "initial_policy", tag="initial")]
    evaluations += [
        _evaluate(f"{label}.phase_{phase}", f"{label}.phase_{phase}.policy", tag=label)
        for label in algorithms
        for phase in range(1, num_phases + 1)
    ]
    return sum(evaluations, Pipeline([]))


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
                inputs=["eval_completions", "params:evaluation", "params:seed"],
                outputs="eval_metrics",
                name="compute_metrics",
            ),
        ],
        namespace=namespace,
        inputs={"policy": policy, "eval_problems": "eval_problems",
                "rollout_engine": "rollout_engine"},
        parameters={
            f"params:{name}": f"params:{name}"
            for name in ("evaluation", "rewards", "compute", "seed")
        },
        tags=["evaluation", tag],
    )
