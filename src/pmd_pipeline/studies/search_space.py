"""The search space: Optuna's distributions, conditional parameters, and checks before any trial."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, assert_never, cast

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from pmd_pipeline.config.experiment import ExperimentConfig, ParameterError, parse_parameters
from pmd_pipeline.config.study import (
    ALGORITHM,
    Choice,
    Choices,
    Dimension,
    FloatRange,
    IntRange,
    StudyConfig,
)
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.studies.parameters import (
    applies_to,
    check_names,
    parameter_path,
    trial_parameters,
)

# Whether the budget can be divided depends on these together, so all combinations are tried.
_DIVIDING = ("group_size", "num_mini_batches")


def distributions(study: StudyConfig) -> dict[str, BaseDistribution]:
    """Return every dimension in Optuna's terms, that of the algorithm first."""
    result: dict[str, BaseDistribution] = {}
    if len(study.algorithms) > 1:
        result[ALGORITHM] = CategoricalDistribution(study.algorithms)
    for name, dimension in study.search_space.items():
        result[name] = _distribution(dimension)
    return result


def suggest(trial: Trial, study: StudyConfig, experiment: ExperimentConfig) -> dict[str, Choice]:
    """Return a trial's values: the algorithm, and the dimensions that apply to it."""
    values: dict[str, Choice] = {}
    label = study.algorithms[0]
    if len(study.algorithms) > 1:
        label = values[ALGORITHM] = str(trial.suggest_categorical(ALGORITHM, study.algorithms))
    for name, dimension in study.search_space.items():
        if applies_to(name, label, experiment):
            values[name] = _suggest(trial, name, dimension)
    return values


def is_conditional(study: StudyConfig, experiment: ExperimentConfig) -> bool:
    """Return True if a dimension applies only to some of the algorithms."""
    return any(
        not applies_to(name, label, experiment)
        for name in study.search_space
        for label in study.algorithms
    )


def current_values(
    study: StudyConfig, experiment: ExperimentConfig, parameters: Mapping[str, Any]
) -> dict[str, Choice] | None:
    """Return the experiment's own values; None if the search space does not contain them all."""
    label = study.algorithms[0]
    values: dict[str, Choice] = {ALGORITHM: label} if len(study.algorithms) > 1 else {}
    for name, dimension in study.search_space.items():
        if not applies_to(name, label, experiment):
            continue
        value = _at(parameters, parameter_path(name, label))
        if not _holds(dimension, value):
            return None
        values[name] = value
    return values


def grid(study: StudyConfig) -> dict[str, list[Choice]]:
    """Return the points of each dimension that the sampler ``grid`` combines."""
    result: dict[str, list[Choice]] = {}
    if len(study.algorithms) > 1:
        result[ALGORITHM] = list(study.algorithms)
    for name, dimension in study.search_space.items():
        result[name] = _grid_points(dimension)
    return result


def check_search_space(
    study: StudyConfig, experiment: ExperimentConfig, parameters: Mapping[str, Any]
) -> None:
    """Refuse a search space with a name, bound or combination with which no trial could run.

    Raises:
        StudyError: With the dimension, the value and the remedy.
    """
    check_names(study, experiment)
    if study.sampler.kind == "grid" and is_conditional(study, experiment):
        raise StudyError(
            "the sampler grid cannot combine dimensions that apply only to some algorithms; "
            "choose tpe or random"
        )
    for name, values, trial in _probed_trials(study, experiment, parameters):
        _refuse_too_few_problems(study, experiment, trial)
        try:
            parse_parameters(trial)
        except ParameterError as error:
            reason = str(error).partition("\n")[2].strip() or str(error)
            raise StudyError(
                f"search_space.{name}: {values.get(name)!r} is not a possible value: {reason}"
            ) from None


def widest_trial(
    study: StudyConfig, experiment: ExperimentConfig, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters of a trial that takes the most prompts to fill a round."""
    trials = (trial for _, _, trial in _probed_trials(study, experiment, parameters))
    return max(trials, key=lambda trial: trial["training"]["prompts_per_round"])


def _probed_trials(
    study: StudyConfig, experiment: ExperimentConfig, parameters: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Choice], dict[str, Any]]]:
    """Yield the dimension that is probed, the values, and the parameters of the trial."""
    for label in study.algorithms:
        for name, values in _probes(study, label, experiment):
            if len(study.algorithms) > 1:
                values[ALGORITHM] = label
            yield name, values, trial_parameters(parameters, study, values)


def _refuse_too_few_problems(
    study: StudyConfig, experiment: ExperimentConfig, trial: Mapping[str, Any]
) -> None:
    training = trial["training"]
    label = training["algorithms"][0]
    own = trial["algorithms"][label].get("group_size")
    key, most = experiment.data_preparation.most_train_problems()
    if most is not None and most < training["prompts_per_round"]:
        group_size = training["group_size"] if own is None else own
        raise StudyError(
            f"with group_size {group_size}, budget.rollouts {study.budget.rollouts} gives "
            f"{training['prompts_per_round']} prompts a round, but {key} is {most}; raise it, "
            "lower the budget, or raise the smallest group_size"
        )


def _probes(
    study: StudyConfig, label: str, experiment: ExperimentConfig
) -> Iterator[tuple[str, dict[str, Choice]]]:
    """Yield the extremes of each dimension, the others at their first value."""
    space = {
        name: dimension
        for name, dimension in study.search_space.items()
        if applies_to(name, label, experiment)
    }
    first = {name: _extremes(dimension)[0] for name, dimension in space.items()}
    if not space:
        yield ALGORITHM, {}
    for name, dimension in space.items():
        for value in _extremes(dimension):
            yield name, {**first, name: value}
    dividing = [name for name in space if name.rpartition(".")[2] in _DIVIDING]
    for combination in product(*(_all_values(space[name]) for name in dividing)):
        yield (
            dividing[0] if dividing else "",
            {**first, **dict(zip(dividing, combination, strict=True))},
        )


def _extremes(dimension: Dimension) -> list[Choice]:
    match dimension:
        case Choices():
            return list(dimension.choices)
        case FloatRange() | IntRange():
            return [dimension.low, dimension.high]
        case _:
            assert_never(dimension)


def _all_values(dimension: Dimension) -> list[Choice]:
    if isinstance(dimension, IntRange):
        return list(range(dimension.low, dimension.high + 1))
    return _extremes(dimension)


def _distribution(dimension: Dimension) -> BaseDistribution:
    match dimension:
        case FloatRange():
            return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
        case IntRange():
            return IntDistribution(dimension.low, dimension.high, log=dimension.log)
        case Choices():
            return CategoricalDistribution(dimension.choices)
        case _:
            assert_never(dimension)


def _suggest(trial: Trial, name: str, dimension: Dimension) -> Choice:
    match dimension:
        case FloatRange():
            return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)
        case IntRange():
            return trial.suggest_int(name, dimension.low, dimension.high, log=dimension.log)
        case Choices():
            # None, which Optuna allows, is no choice of ours.
            return cast("Choice", trial.suggest_categorical(name, dimension.choices))
        case _:
            assert_never(dimension)


def _at(parameters: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = parameters
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _holds(dimension: Dimension, value: Any) -> bool:
    match dimension:
        case Choices():
            return value in dimension.choices
        case FloatRange() | IntRange():
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            return is_number and dimension.low <= value <= dimension.high
        case _:
            assert_never(dimension)


def _grid_points(dimension: Dimension) -> list[Choice]:
    if isinstance(dimension, Choices):
        return list(dimension.choices)
    assert dimension.num_points is not None
    spaced = np.geomspace if dimension.log else np.linspace
    points = spaced(dimension.low, dimension.high, dimension.num_points)
    if isinstance(dimension, IntRange):
        return [int(value) for value in np.unique(points.round())]
    # Rounding must not carry the last point over the bound.
    return [float(value) for value in np.clip(points, dimension.low, dimension.high)]
