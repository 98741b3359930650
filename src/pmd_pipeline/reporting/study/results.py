"""A study's results as the figures and the page take them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

FINISHED, PRUNED, FAILED = "finished", "pruned", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySummary:
    """What is known of a study beside its trials; plain values, kept as JSON.

    Attributes:
        name: The study's.
        metric: What counts, such as ``avg@4``.
        dimensions: By name: ``kind`` (float, int, choice) and ``log``.
        settings: What the study was told to do, for the page.
        counts: Trials by state.
        initial_value: The metric of the initial policy.
        current_trial: The trial with the experiment's own parameters; None where there is none.
        optimum: See ``pmd_pipeline.studies.findings.Optimum``; None before a trial has finished.
        importances: Share of the variance by dimension; empty where it cannot be told.
        pareto: Trials that no other beats in both objectives; empty with one objective.
        num_validation_problems: That decided.
        num_overlaps: Left out, as a reported set has them too.
        interval_level: Of every interval.
    """

    name: str
    metric: str
    dimensions: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any]
    counts: Mapping[str, int]
    initial_value: float
    current_trial: int | None
    optimum: Mapping[str, Any] | None
    importances: Mapping[str, float]
    pareto: list[int] = field(default_factory=list)
    num_validation_problems: int
    num_overlaps: int
    interval_level: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_json` gave."""
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One dimension as an axis.

    Attributes:
        name: Its dotted name.
        title: What people read.
        numbers: Of each trial; a choice's place among the choices; NaN where the
            dimension does not apply.
        log: True for a logarithmic axis.
        labels: A choice's texts in order; None for numbers.
    """

    name: str
    title: str
    numbers: np.ndarray
    log: bool
    labels: list[str] | None

    @property
    def positions(self) -> np.ndarray:
        """The values as they lie along the axis."""
        return np.log10(self.numbers) if self.log else self.numbers


def axis_of(trials: pd.DataFrame, name: str, dimension: Mapping[str, Any]) -> Axis:
    """Return a dimension's values over the trials."""
    column = trials[name] if name in trials else pd.Series(np.nan, index=trials.index)
    title = axis_title(name)
    if dimension["kind"] != "choice":
        values = pd.to_numeric(column).to_numpy(dtype=float)
        return Axis(name=name, title=title, numbers=values, log=bool(dimension["log"]), labels=None)
    choices = list(dimension["choices"])
    # A table of text holds 8 as 8.0 where another trial lacks the value.
    places = {_key(choice): place for place, choice in enumerate(choices)}
    values = np.array([places.get(_key(value), np.nan) for value in column], dtype=float)
    return Axis(
        name=name,
        title=title,
        numbers=values,
        log=False,
        labels=[str(choice) for choice in choices],
    )


def axis_title(name: str) -> str:
    """Return a dimension's last name, such as ``tau``."""
    return name.rpartition(".")[2]


def numeric_dimension(summary: StudySummary) -> str | None:
    """Return the dimension that colours curves: tau where it is searched, else the first number."""
    numeric = [name for name, d in summary.dimensions.items() if d["kind"] != "choice"]
    taus = [name for name in numeric if axis_title(name) == "tau"]
    found = taus or numeric
    return found[0] if found else None


def _key(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    try:
        return f"{float(value):.12g}"  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(value)
