"""Stage 4: one namespace per algorithm and training seed, a chain of phases in each."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.pipelines.training.nodes import make_train_phase, phase_name

SHARED_INPUTS = {"selected_prompts", "rollout_engine", "resume_points"}
SHARED_PARAMETERS = {"training", "rewards", "compute", "seed"}


def create_pipeline(*, runs: Sequence[TrainingRun], num_phases: int) -> Pipeline:
    """Return the training of every algorithm with every training seed.

    Args:
        runs: The training runs; each has a namespace within its algorithm's.
        num_phases: Phases per training run; each is a namespace within.
    """
    return Pipeline(
        [_create_phase(run, phase) for run in runs for phase in range(1, num_phases + 1)]
    )


def _create_phase(run: TrainingRun, phase: int) -> Pipeline:
    label, namespace = run.algorithm, run.namespace
    previous = "initial_policy" if phase == 1 else f"{namespace}.{phase_name(phase - 1)}.policy"
    train = Node(
        make_train_phase(run, phase),
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
        tags=["training", label, run.seed_name],
    )
    return Pipeline(
        [train],
        namespace=f"{namespace}.{phase_name(phase)}",
        inputs={name: name for name in SHARED_INPUTS} | {"previous_policy": previous},
        parameters={f"params:{name}": f"params:{name}" for name in SHARED_PARAMETERS}
        | {f"params:algorithms.{label}": f"params:algorithms.{label}"},
    )
