"""From a trial's values to the parameters of an experiment."""

import copy
import difflib
from collections.abc import Mapping
from itertools import chain, count, islice
from typing import Any

from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.study import ALGORITHM, VALIDATION_SET, Choice, StudyConfig
from pmd_pipeline.studies.errors import StudyError

Values = Mapping[str, Choice]

# The budget and the shared initial rollouts fix these for every trial.
_FIXED = ("algorithms", "seeds", "num_phases", "rounds_per_phase", "prompts_per_round", "sampling")
# An entry's other fields may differ by algorithm; its kind may not.
_NOT_SEARCHED = ("kind",)


def trial_parameters(
    parameters: Mapping[str, Any], study: StudyConfig, values: Values
) -> dict[str, Any]:
    """Return the experiment's parameters for a trial, nested as in ``conf``.

    The trial trains one algorithm; its prompts per round follow from the budget of rollouts; the
    validation problems become an evaluation set beside the others.

    Args:
        parameters: Those of the experiment, complete.
        study: The study.
        values: By dimension name; without dimensions of other algorithms.

    Raises:
        StudyError: If the budget cannot be divided as these values require.
    """
    result = copy.deepcopy({key: value for key, value in parameters.items() if key != "studies"})
    label = chosen_algorithm(study, values)
    training = result["training"]
    training["algorithms"] = [label]
    for key in ("num_phases", "rounds_per_phase"):
        training[key] = getattr(study.budget, key) or training[key]
    for name, value in values.items():
        if name != ALGORITHM:
            _set(result, parameter_path(name, label), value)
    training["prompts_per_round"] = _prompts_per_round(result, study, label)
    result["data_preparation"]["evals"][VALIDATION_SET] = study.validation.model_dump(mode="json")
    return result


def repeat_seeds(study: StudyConfig, experiment: ExperimentConfig) -> tuple[int, ...]:
    """Return the training seed of each repeat: the experiment's, then the smallest others."""
    seeds = experiment.training.seeds
    others = (seed for seed in count() if seed not in seeds)
    return tuple(islice(chain(seeds, others), study.repeats))


def chosen_algorithm(study: StudyConfig, values: Values) -> str:
    """Return the label of the algorithm that a trial with these values trains."""
    return str(values.get(ALGORITHM, study.algorithms[0]))


def parameter_path(name: str, label: str) -> tuple[str, ...]:
    """Return a dimension's place in the parameters; ``algorithm.`` is the trial's algorithm."""
    parts = tuple(name.split("."))
    return ("algorithms", label, *parts[1:]) if parts[0] == ALGORITHM else parts


def applies_to(name: str, label: str, experiment: ExperimentConfig) -> bool:
    """Return True if a dimension is searched when training the algorithm ``label``."""
    path = parameter_path(name, label)
    if path[0] == "algorithms" and path[1] != label:
        return False
    return path in _searchable(label, experiment)


def check_names(study: StudyConfig, experiment: ExperimentConfig) -> None:
    """Refuse dimensions that are not a parameter of any of the study's algorithms.

    Raises:
        StudyError: With the most similar name.
    """
    for label in study.algorithms:
        experiment.algorithms[label]  # raises if there is none
    if VALIDATION_SET in experiment.data_preparation.evals:
        raise StudyError(
            f"data_preparation.evals has a set named {VALIDATION_SET!r}, the name of the study's "
            "own problems; rename it, as a reported set may not decide between trials"
        )
    for name in study.search_space:
        if any(applies_to(name, label, experiment) for label in study.algorithms):
            continue
        known = {
            candidate
            for label in study.algorithms
            for path in _searchable(label, experiment)
            for candidate in _names_of(path)
        }
        first, second = name.split(".")[:2]
        if first == "training" and second in _FIXED:
            raise StudyError(
                f"search_space.{name}: cannot be searched, as every trial has the same budget, "
                "phases, training seeds and initial rollouts; set it in training or in the "
                "study's budget"
            )
        similar = difflib.get_close_matches(name, sorted(known), n=1)
        hint = f"; did you mean {similar[0]!r}?" if similar else ""
        raise StudyError(
            f"search_space.{name}: no such parameter of {', '.join(study.algorithms)}{hint}"
        )


def _searchable(label: str, experiment: ExperimentConfig) -> set[tuple[str, ...]]:
    training = experiment.training.model_dump(mode="json", exclude=set(_FIXED))
    algorithm = experiment.algorithms[label].model_dump(mode="json", exclude=set(_NOT_SEARCHED))
    return set(_leaves(training, ("training",))) | set(_leaves(algorithm, ("algorithms", label)))


def _leaves(values: Mapping[str, Any], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    leaves: list[tuple[str, ...]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            leaves += _leaves(value, (*path, key))
        elif not isinstance(value, list):
            leaves.append((*path, key))
    return leaves


def _names_of(path: tuple[str, ...]) -> list[str]:
    names = [".".join(path)]
    if path[0] == "algorithms":
        names.append(".".join((ALGORITHM, *path[2:])))
    return names


def _set(parameters: dict[str, Any], path: tuple[str, ...], value: Choice) -> None:
    section = parameters
    for key in path[:-1]:
        if not isinstance(section.get(key), dict):
            section[key] = {}
        section = section[key]
    section[path[-1]] = value


def _prompts_per_round(parameters: Mapping[str, Any], study: StudyConfig, label: str) -> int:
    training = parameters["training"]
    own = parameters["algorithms"][label].get("group_size")
    group_size = training["group_size"] if own is None else own
    num_rounds = training["num_phases"] * training["rounds_per_phase"]
    draws = _most_draws(parameters["algorithms"][label])
    prompts, rest = divmod(study.budget.rollouts, num_rounds * group_size * draws)
    if prompts == 0 or rest:
        refilled = "" if draws == 1 else f", which a refill may draw {draws} times"
        raise StudyError(
            f"budget.rollouts {study.budget.rollouts} cannot be divided into {num_rounds} rounds "
            f"of groups of {group_size}{refilled}; choose a multiple of "
            f"{num_rounds * group_size * draws}"
        )
    own = parameters["algorithms"][label].get("num_mini_batches")
    num_mini_batches = training["num_mini_batches"] if own is None else own
    if prompts % num_mini_batches:
        raise StudyError(
            f"with group_size {group_size}, budget.rollouts {study.budget.rollouts} gives "
            f"{prompts} prompts a round, which {num_mini_batches} mini-batches do not divide; "
            "raise the budget, or lower the largest group_size or num_mini_batches"
        )
    return int(prompts)


def _most_draws(algorithm: Mapping[str, Any]) -> int:
    """Return how many times its prompts a round of an algorithm may draw."""
    refill = (algorithm.get("prompt_filter") or {}).get("refill")
    return 1 if refill is None else 1 + int(refill["max_extra_rounds"])
