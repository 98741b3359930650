"""Stage 4: one namespace per algorithm, a chain of phases in each."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.pipelines.training.nodes import make_train_phase, phase_name

SHARED_INPUTS = {"selected_prompts", "rollout_engine"}
SHARED_PARAMETERS = {"training", "rewards", "compute", "seed"}


def create_pipeline(*, algorithms: Sequence[str], num_phases: int) -> Pipeline:
    """Return the training of every algorithm.

    Args:
        algorithms: Their labels; each is a namespace.
        num_phases: Phases per algorithm; each is a namespace within.
    """
    phases = [
        _create_phase(label, phase) for label in algorithms for phase in range(1, num_phases + 1)
    ]
    return sum(phases, Pipeline([]))


def _create_phase(label: str, phase: int) -> Pipeline:
    namespace = f"{label}.{phase_name(phase)}"
    previous = "initial_policy" if phase == 1 else f"{label}.{phase_name(phase - 1)}.policy"
    train = Node(
        make_train_phase(label, phase),
        inputs={
            "selected_prompts": "selected_prompts",
            "previous_policy": "previous_policy",
            "resume_points": "resume_points",
            "engine": "rollout_engine",
            "training": "params:training",
            "algorithm": f"params:algorithms.{label}",
            "rewards": "params:rewards",
            "compute": "params:compute",
            "seed": "params:seed",
        },
        outputs={
            "rollouts": "rollouts",
            "round_metrics": "round_metrics",
            "policy": "policy",
        },
        name="train",
        tags=["training", label],
    )
    return Pipeline(
        [train],
        namespace=namespace,
        inputs={name: name for name in SHARED_INPUTS}
        | {"previous_policy": previous, "resume_points": f"{label}.resume_points"},
        parameters={f"params:{name}": f"params:{name}" for name in SHARED_PARAMETERS}
        | {f"params:algorithms.{label}": f"params:algorithms.{label}"},
    )
