"""From a declared arm or trial to the experiment that it trains."""

import copy
from collections.abc import Mapping
from itertools import product
from typing import Any

from pmd_pipeline.config.claims import ArmConfig, ClaimConfig, ClaimsError, TuningConfig
from pmd_pipeline.config.data_preparation import ProblemSource
from pmd_pipeline.config.experiment import ExperimentConfig, ParameterError, parse_parameters
from pmd_pipeline.config.study import VALIDATION_SET

Values = Mapping[str, Any]

_OWN = "algorithm"  # `algorithm.tau` is the trained algorithm's tau


def arm_experiment(
    parameters: Values, claim: ClaimConfig, arm: ArmConfig, *, tuned: Values, where: str
) -> ExperimentConfig:
    """Return what an arm trains.

    Args:
        parameters: The environment's, nested.
        claim: Its parameters come first, then what was tuned, then the arm's own.
        arm: The arm.
        tuned: By dotted key.
        where: The arm's key, for messages.

    Raises:
        ClaimsError: If the parameters do not fit together.
    """
    return _experiment(
        parameters, arm.algorithm, {**claim.parameters, **tuned, **arm.parameters}, where
    )


def trial_experiment(
    parameters: Values,
    tuning: TuningConfig,
    values: Values,
    *,
    validation: ProblemSource,
    where: str,
) -> ExperimentConfig:
    """Return what one trial of a tuning trains; its evaluation sets have ``validation`` among them.

    Raises:
        ClaimsError: If the parameters do not fit together.
    """
    source = validation.model_dump(mode="json", exclude_defaults=True)
    over = {
        f"data_preparation.evals.{VALIDATION_SET}": {"kind": validation.kind, **source},
        **tuning.parameters,
        **values,
    }
    return _experiment(parameters, tuning.algorithm, over, where)


def trials_of(tuning: TuningConfig) -> list[dict[str, Any]]:
    """Return every combination of a tuning's values, by dotted key."""
    return [
        {**dict(zip(tuning.grid, values, strict=True)), **case}
        for values in product(*tuning.grid.values())
        for case in tuning.cases
    ]


def _experiment(parameters: Values, label: str, over: Values, where: str) -> ExperimentConfig:
    result = copy.deepcopy({name: value for name, value in parameters.items() if name != "studies"})
    if label not in result.get("algorithms", {}):
        raise ClaimsError(
            f"{where}: no algorithm is labelled {label!r}; the section algorithms defines: "
            f"{', '.join(result.get('algorithms', {}))}"
        )
    result["training"] |= {"algorithms": [label], "seeds": [0]}  # a unit has its own seed
    for name, value in over.items():
        first, *rest = name.split(".")
        path = ["algorithms", label, *rest] if first == _OWN else [first, *rest]
        _set(result, path, value)
    try:
        return parse_parameters(result)
    except ParameterError as error:
        raise ClaimsError(f"{where}: {error}") from None


def _set(parameters: dict[str, Any], path: list[str], value: Any) -> None:
    """Set one value; a mapping takes the place of the whole section that was there."""
    section = parameters
    for key in path[:-1]:
        if not isinstance(section.get(key), dict):
            section[key] = {}
        section = section[key]
    section[path[-1]] = copy.deepcopy(value)
