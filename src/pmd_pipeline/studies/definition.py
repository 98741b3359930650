"""A study's definition, kept in its storage so that it is never continued with a different one."""

import json
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna import Study
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from pmd_pipeline.config.experiment import parse_parameters
from pmd_pipeline.config.study import StudyConfig
from pmd_pipeline.flat_parameters import changed_parameters, flatten
from pmd_pipeline.studies.errors import StudyError, StudyStorageError
from pmd_pipeline.studies.parameters import parameter_path, repeat_seeds

DEFINITION = "pmd_pipeline.definition"
OBJECTIVES = ("validation score", "seconds of training")
"""What a trial's values are, in their order."""

# These may change from one continuation to the next without making trials incomparable.
_FREE = {"num_trials", "storage", "workers", "keep_policies", "pruner", "sampler"}
# These change no trial.
_IRRELEVANT = (
    "studies.",
    "reporting.",
    "comparison.",
    "theory.",
    "training.algorithms",
    "training.seeds",
    "training.prompts_per_round",
    "cluster.address",
    "cluster.object_store_gib",
    "cluster.placement_seconds",
    "cluster.training.resources_per_process",
    "cluster.training.placement",
    "cluster.training.max_restarts",
)


def definition(study: StudyConfig, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every trial of a study must have in common, flat."""
    config = study.model_dump(mode="json", exclude=_FREE)
    own = {
        ".".join(parameter_path(name, label))
        for name in study.search_space
        for label in study.algorithms
    }
    others = [f"algorithms.{name}." for name in parameters["algorithms"]]
    for label in study.algorithms:
        others.remove(f"algorithms.{label}.")
    shared = {
        key: value
        for key, value in flatten(parameters).items()
        if key not in own and not key.startswith((*_IRRELEVANT, *others))
    }
    seeds = repeat_seeds(study, parse_parameters(parameters))
    return {
        **{f"study.{k}": v for k, v in flatten(config).items()},
        "study.training_seeds": list(seeds),
        **shared,
    }


def create_or_load(
    name: str, storage: BaseStorage, study: StudyConfig, wanted: Mapping[str, Any]
) -> Study:
    """Return the study of this name, creating it if there is none.

    Raises:
        StudyError: If it was started with other parameters or by another program.
    """
    try:
        found = load(name, storage, wanted)
    except KeyError:
        pass
    else:
        _name_objectives(found)
        return found
    directions = [StudyDirection.MAXIMIZE]
    if study.objective == "accuracy_and_seconds":
        directions.append(StudyDirection.MINIMIZE)
    created = optuna.create_study(
        study_name=name, storage=storage, directions=directions, load_if_exists=True
    )
    # Two workers may get here at once; both write the same.
    created.set_user_attr(DEFINITION, json.dumps(dict(wanted), sort_keys=True))
    _name_objectives(created)
    return created


def _name_objectives(study: Study) -> None:
    """Say what a trial's values are, for optuna-dashboard, where it is not said yet."""
    if study.metric_names is not None:
        return
    with warnings.catch_warnings():
        # Names of objectives are called experimental.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(list(OBJECTIVES[: len(study.directions)]))


def load(name: str, storage: BaseStorage, wanted: Mapping[str, Any] | None = None) -> Study:
    """Return a study that exists.

    Args:
        name: Its name.
        storage: Its storage.
        wanted: Its definition now; None if no trial will be added.

    Raises:
        KeyError: If there is none of this name.
        StudyError: If it was started with other parameters or by another program.
    """
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        raise
    except Exception as error:
        raise StudyStorageError(
            f"study {name!r} cannot be read from its storage ({type(error).__name__}); restore "
            "the storage from a copy, or move it away to start afresh"
        ) from None
    recorded = study.user_attrs.get(DEFINITION)
    if recorded is None:
        raise StudyStorageError(
            f"the storage holds a study {name!r} that pmd_pipeline did not create; give this one "
            "another name, or another storage"
        )
    if wanted is not None:
        refuse_changes(name, json.loads(recorded), wanted)
    return study


def refuse_changes(name: str, recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to continue with other parameters.

    Raises:
        StudyError: With every parameter that differs.
    """
    changes = changed_parameters(recorded, wanted)
    if changes:
        raise StudyError(
            f"study {name!r} was started with other parameters:\n  "
            + "\n  ".join(changes)
            + "\nIts trials would not be comparable; set them back, or give the study a new name"
        )
