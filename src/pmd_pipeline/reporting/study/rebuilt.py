"""A study in memory from its table of trials, for optuna.visualization."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from pmd_pipeline.reporting.study.dimensions import CHOICE, dimension_of, short_names
from pmd_pipeline.reporting.study.results import FINISHED, StudySummary

_WIDE = 4.0
"""Largest over smallest of numeric choices above which they lie evenly on a logarithmic axis."""


def rebuild_study(
    trials: pd.DataFrame, summary: StudySummary, *, has_seconds: bool = False
) -> optuna.Study:
    """Return the trials as a study of its own, under their numbers.

    Only finished trials have values, as optuna.visualization shows no others. Parameters bear
    their short names; a choice among numbers is a number, so that axes keep its distances.

    Args:
        trials: One row per trial, in their order.
        summary: What else is known.
        has_seconds: True for two objectives, seconds of training and the trial's value; else the
            value alone.
    """
    names = short_names(summary.dimensions)
    columns = {
        names[name]: _column(trials, name, dimension)
        for name, dimension in summary.dimensions.items()
    }
    best = [StudyDirection.MINIMIZE] * has_seconds + [StudyDirection.MAXIMIZE]
    with _quiet():
        study = optuna.create_study(study_name=summary.name, directions=best)
    objectives = ["training_seconds", "value"] if has_seconds else ["value"]
    values = trials[objectives].to_numpy(dtype=float).tolist()
    for row, state in enumerate(trials["state"]):
        params = {name: column[row] for name, (column, _) in columns.items()}
        study.add_trial(
            _trial(
                values[row] if state == FINISHED else None,
                {name: value for name, value in params.items() if value is not None},
                {name: distribution for name, (_, distribution) in columns.items()},
            )
        )
    return study


def _trial(
    values: list[float] | None,
    params: dict[str, Any],
    distributions: dict[str, BaseDistribution],
) -> FrozenTrial:
    return create_trial(
        state=TrialState.FAIL if values is None else TrialState.COMPLETE,
        values=values,
        params=params,
        distributions={name: distributions[name] for name in params},
    )


def _column(
    trials: pd.DataFrame, name: str, dimension: Mapping[str, Any]
) -> tuple[list[Any], BaseDistribution]:
    """Return a dimension's values, None where it does not apply, and their distribution."""
    numbers = dimension_of(trials, name, dimension).numbers
    log, is_whole = False, dimension["kind"] == "int"
    if dimension["kind"] != CHOICE:
        log = bool(dimension["log"])
    else:
        choices = list(dimension["choices"])
        chosen = [None if np.isnan(place) else choices[int(place)] for place in numbers]
        if not all(_is_number(choice) for choice in choices):
            texts = [None if choice is None else str(choice) for choice in chosen]
            return texts, CategoricalDistribution([str(choice) for choice in choices])
        numbers = np.array([np.nan if choice is None else choice for choice in chosen], dtype=float)
        log = min(choices) > 0 and max(choices) >= _WIDE * min(choices)
        is_whole = all(isinstance(choice, int) for choice in choices)
    known = numbers[np.isfinite(numbers)]
    low, high = (known.min(), known.max()) if len(known) else (1.0, 1.0)
    if is_whole:
        whole = [None if np.isnan(number) else int(number) for number in numbers]
        return whole, IntDistribution(int(low), int(high), log=log)
    real = [None if np.isnan(number) else float(number) for number in numbers]
    return real, FloatDistribution(float(low), float(high), log=log)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep optuna from announcing a study that nobody asked for."""
    former = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(former)
