"""What MLflow is told of a run before it has any results: names, tags, parameters."""

from pathlib import PurePath
from typing import Any

from pmd_pipeline.config.data_preparation import (
    GeneratedSource,
    ProblemSource,
    ReasoningGymSource,
    StoredSource,
)
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.place import PlaceConfig
from pmd_pipeline.config.policy import EmbeddedPolicyConfig
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.flat_parameters import flatten

# They concern what training runs are compared with, or nothing that is trained.
_OF_THE_WHOLE = (
    "algorithms.",
    "comparison.",
    "reporting.",
    "studies.",
    "theory.",
    "training.algorithms",
    "training.seeds",
)

# An algorithm's own settings, and those of all that they take the place of.
_OVERRIDES = {
    "learning_rate": "training.optimizer.learning_rate",
    "num_mini_batches": "training.num_mini_batches",
    "group_size": "training.group_size",
}


def training_run_name(run: TrainingRun) -> str:
    """Return a training run's name, as people read it."""
    return f"{run.algorithm}, seed {run.seed}"


def run_title(context: ExperimentContext, *, trains: bool = True) -> str:
    """Return which run this is: environment and seed; data and model of one that trains."""
    experiment = context.experiment
    title = f"{context.env or 'base'}, seed {experiment.seed}"
    return f"{title} on {data_and_model(experiment)}" if trains else title


def data_and_model(experiment: ExperimentConfig) -> str:
    """Return what is trained on what, in a few words: ``gsm8k (SmolLM2-135M)``."""
    policy = experiment.policy_initialisation.policy
    model = policy.kind if isinstance(policy, EmbeddedPolicyConfig) else _short_place(policy)
    return f"{_short_origin(experiment.data_preparation.train)} ({model})"


def _short_origin(source: ProblemSource) -> str:
    match source:
        case StoredSource():
            return _short_place(source)
        case ReasoningGymSource():
            return source.dataset
        case GeneratedSource():
            return source.import_path.rpartition(":")[2]
        case _:
            return source.kind.removeprefix("generated_")


def _short_place(place: PlaceConfig) -> str:
    """Return the last name of a path or of a name on the hub."""
    return PurePath(place.path or place.hub_name or "").name


def training_run_tags(run: TrainingRun, experiment: ExperimentConfig) -> dict[str, str]:
    """Return what a training run can be found and grouped by."""
    return {
        "algorithm": run.algorithm,
        "algorithm_kind": experiment.algorithms[run.algorithm].kind,
        "training_seed": str(run.seed),
    }


def training_run_parameters(run: TrainingRun, experiment: ExperimentConfig) -> dict[str, Any]:
    """Return the flat parameters that a training run's results follow from.

    Those of its algorithm have no label in their names (``algorithm.tau``), so that runs of
    several algorithms can be compared. A setting that an algorithm may override has one name and
    the value that holds. What its tags say are parameters as well: MLflow groups runs by them.
    """
    parameters = flatten(experiment.model_dump(mode="json"))
    shared = {k: v for k, v in parameters.items() if not k.startswith(_OF_THE_WHOLE)}
    prefix = f"algorithms.{run.algorithm}."
    own = {k.removeprefix(prefix): v for k, v in parameters.items() if k.startswith(prefix)}
    for name, overridden in _OVERRIDES.items():
        value = own.pop(name)
        if value is not None:
            shared[overridden] = value
    named = {f"algorithm.{name}": value for name, value in own.items()}
    return {"algorithm": run.algorithm, "training_seed": run.seed, **named, **shared}


def coverage_tags(experiment: ExperimentConfig) -> dict[str, str]:
    """Return what the intervals of the parent run's metrics cover."""
    seeds = experiment.training.seeds
    covered = (
        "over training seeds and problems"
        if len(seeds) > 1
        else "over problems alone: one training seed, which says nothing of other trainings"
    )
    return {"training_seeds": ", ".join(map(str, seeds)), "intervals": covered}
