"""Forest plots as the pages show them: a row per name with its value and interval, the best first.

They are tables with a drawing in one column, so that they can be read aloud, printed, and seen
without JavaScript.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.drawing.scales import round_ticks
from pmd_pipeline.reporting.drawing.styles import GREY

_MOST_TICKS = 5
_PADDING = 0.06  # share of the range left free on either side
_LEAST_RANGE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value with its interval.

    Attributes:
        name: Whose it is.
        value: The value.
        low, high: Ends of its interval; NaN where there is none.
        note: What stands below the name.
        colour: Hexadecimal.
    """

    name: str
    value: float
    low: float
    high: float
    note: str = ""
    colour: str = GREY


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """A row; places are shares of the drawing's width, in percent.

    Attributes:
        name: Whose it is.
        at, low, high: Places of the value and of the ends of its interval.
        is_told: Whether the interval leaves out the value that all are held against.
        text: Value and interval.
        note: What stands below the name.
        colour: Hexadecimal.
    """

    name: str
    at: float
    low: float
    high: float
    is_told: bool
    text: str
    note: str
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """A forest plot for the template's macro ``forest``.

    Attributes:
        caption: What it shows, and what to look for.
        header: Of the three columns: names, drawing, value.
        rows: The largest value first.
        ticks: Place in percent and text of each.
        held_against: Place of the value that all are held against; None where there is none.
    """

    caption: str
    header: tuple[str, str, str]
    rows: tuple[ForestRow, ...]
    ticks: tuple[tuple[float, str], ...]
    held_against: float | None


def forest_plot(
    measured: Sequence[Measured],
    *,
    caption: str,
    header: tuple[str, str, str],
    held_against: float | None = None,
    signed: bool = False,
) -> Forest:
    """Return the plot, the largest value first; of equal ones, in the given order.

    Args:
        measured: At least one.
        caption: What it shows, and what to look for.
        header: Of the three columns.
        held_against: A value, such as 0 of gains; an interval without it is drawn full.
        signed: True to write values with their sign.
    """
    low, high = _range(measured, held_against)

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    ranked = sorted(measured, key=lambda one: -one.value)
    return Forest(
        caption=caption,
        header=header,
        rows=tuple(
            ForestRow(
                name=one.name,
                at=place(one.value),
                low=place(_or(one.low, one.value)),
                high=place(_or(one.high, one.value)),
                is_told=held_against is None or not _holds(one, held_against),
                text=formatting.with_interval(
                    one.value, one.low, one.high, signed=signed, between="\n"
                ),
                note=one.note,
                colour=one.colour,
            )
            for one in ranked
        ),
        ticks=tuple(
            (place(tick), formatting.tick(tick)) for tick in round_ticks(low, high, _MOST_TICKS)
        ),
        held_against=None if held_against is None else place(held_against),
    )


def _range(measured: Sequence[Measured], held_against: float | None) -> tuple[float, float]:
    values = [value for one in measured for value in (one.value, one.low, one.high)]
    known = [value for value in values if math.isfinite(value)]
    known += [] if held_against is None else [held_against]
    low, high = min(known), max(known)
    padding = max(_PADDING * (high - low), (_LEAST_RANGE - (high - low)) / 2)
    return low - padding, high + padding


def _or(value: float, other: float) -> float:
    return other if math.isnan(value) else value


def _holds(one: Measured, value: float) -> bool:
    return _or(one.low, -math.inf) <= value <= _or(one.high, math.inf)
