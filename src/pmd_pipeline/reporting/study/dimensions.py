"""The dimensions that a study searches, as axes and colours show them."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.drawing.scales import log_ticks
from pmd_pipeline.reporting.study.results import StudySummary

CHOICE = "choice"
_NUM_LINEAR_TICKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One dimension's values over the trials.

    Attributes:
        title: What people read.
        numbers: Of each trial; a choice's place among the choices; NaN where the dimension does
            not apply.
        log: True for a logarithmic axis.
        labels: A choice's texts in order; None for numbers.
    """

    title: str
    numbers: np.ndarray
    log: bool
    labels: list[str] | None

    @property
    def positions(self) -> np.ndarray:
        """The values as they lie along an axis."""
        return np.log10(self.numbers) if self.log else self.numbers

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest position, never the same."""
        if self.labels is not None:
            return 0.0, max(len(self.labels) - 1.0, 1.0)
        known = self.positions[np.isfinite(self.positions)]
        if not len(known):
            return 0.0, 1.0
        low, high = float(known.min()), float(known.max())
        return (low, high) if high > low else (low - 0.5, high + 0.5)

    def places(self) -> np.ndarray:
        """Return where each trial lies between the bounds, 0 to 1."""
        low, high = self.bounds
        places: np.ndarray = (self.positions - low) / (high - low)
        return places

    def ticks(self) -> list[tuple[float, str]]:
        """Return position and text of round values between the bounds."""
        low, high = self.bounds
        if self.labels is not None:
            return [(float(i), label) for i, label in enumerate(self.labels)]
        if self.log:
            ticks = [(math.log10(tick), f"{tick:g}") for tick in log_ticks(10**low, 10**high)]
            slack = 0.01 * (high - low)
            within = [(at, text) for at, text in ticks if low - slack <= at <= high + slack]
            # Between near ends there may be no round value, or one that tells no distance.
            return within if len(within) > 1 else [(end, f"{10**end:.2g}") for end in (low, high)]
        return [(float(at), f"{at:.3g}") for at in np.linspace(low, high, _NUM_LINEAR_TICKS)]

    def texts(self) -> list[str]:
        """Return the trials' values as people read them."""
        if self.labels is None:
            return [formatting.number(value) for value in self.numbers]
        labels = self.labels
        return [formatting.MISSING if math.isnan(v) else labels[int(v)] for v in self.numbers]


def dimension_of(trials: pd.DataFrame, name: str, dimension: Mapping[str, Any]) -> Dimension:
    """Return a dimension's values over the trials."""
    column = trials[name] if name in trials else pd.Series(np.nan, index=trials.index)
    title = short_name(name)
    if dimension["kind"] != CHOICE:
        values = pd.to_numeric(column).to_numpy(dtype=float)
        return Dimension(title=title, numbers=values, log=bool(dimension["log"]), labels=None)
    choices = list(dimension["choices"])
    # A table of text holds 8 as 8.0 where another trial lacks the value.
    places = {_key(choice): place for place, choice in enumerate(choices)}
    values = np.array([places.get(_key(value), np.nan) for value in column], dtype=float)
    labels = [str(choice) for choice in choices]
    return Dimension(title=title, numbers=values, log=False, labels=labels)


def short_name(name: str) -> str:
    """Return a dimension's last name, such as ``tau``."""
    return name.rpartition(".")[2]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return what each dimension is called where all of them appear: its last name if unique."""
    short = {name: short_name(name) for name in names}
    counts = Counter(short.values())
    return {name: last if counts[last] == 1 else name for name, last in short.items()}


def numeric_dimension(summary: StudySummary) -> str | None:
    """Return the dimension that colours curves: tau where it is searched, else the first number."""
    numeric = [name for name, d in summary.dimensions.items() if d["kind"] != CHOICE]
    taus = [name for name in numeric if short_name(name) == "tau"]
    found = taus or numeric
    return found[0] if found else None


def _key(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    try:
        return f"{float(value):.12g}"  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(value)
