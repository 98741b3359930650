"""A theory figure described once, for both drawing libraries."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

Dash = Literal["solid", "dashed", "dotted", "none"]
Marker = Literal["none", "circle", "square", "diamond", "star", "triangle"]

METHOD_COLOURS = {"pmd_mean": "#0077bb", "pmd_part": "#d55e00", "group_standardised": "#009e73"}
METHOD_NAMES = {
    "pmd_mean": "PMD-mean",
    "pmd_part": "PMD-part",
    "group_standardised": "group-standardised gradient",
}
REFERENCE_COLOUR = "#8c8c8c"
SEQUENCE = ("#440154", "#31688e", "#35b779", "#e69f00", "#cc79a7", "#56b4e9", "#8c8c8c", "#000000")
"""Colours of ordered things, such as values of tau or rounds."""

_LEGEND_HANDLE_INCHES = 0.75
_LEGEND_CHARACTERS_PER_INCH = 12.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One line, or one set of points where ``dash`` is ``none``.

    Attributes:
        x: Positions.
        y: Values; a NaN leaves a gap.
        colour: Hexadecimal.
        label: Legend entry; curves with the same label share one.
        dash: Of the line.
        marker: Of the points.
        low: Lower edge of a band around the line.
        high: Upper edge.
        opacity: Of points and line.
        size: Of the markers, points.
    """

    x: Sequence[float]
    y: Sequence[float]
    colour: str
    label: str | None = None
    dash: Dash = "solid"
    marker: Marker = "none"
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    opacity: float = 1.0
    size: float = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A word in a panel; ``align`` says which end of it stands at (x, y)."""

    x: float
    y: float
    text: str
    align: Literal["left", "center", "right"] = "center"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One pair of axes; ``integer_x`` keeps ticks on whole numbers."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    texts: tuple[Text, ...] = ()
    log_y: bool = False
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    integer_x: bool = False
    is_diagram: bool = False
    """True for a drawing without axes and with equal scales, such as a simplex."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSpec:
    """Panels in rows, with one legend below them all."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    num_columns: int
    panel_inches: tuple[float, float] = (4.6, 3.4)

    @property
    def num_rows(self) -> int:
        """Rows of panels."""
        return -(-len(self.panels) // self.num_columns)

    @property
    def labels(self) -> tuple[str, ...]:
        """Distinct legend entries, in the order of their first curve."""
        labels = (c.label for p in self.panels for c in p.curves if c.label is not None)
        return tuple(dict.fromkeys(labels))


def legend_rows(spec: FigureSpec) -> tuple[int, int]:
    """Return how many entries stand in a row of the legend, and how many rows there are."""
    width = spec.panel_inches[0] * spec.num_columns
    longest = max((len(label) for label in spec.labels), default=0)
    entry = _LEGEND_HANDLE_INCHES + longest / _LEGEND_CHARACTERS_PER_INCH
    per_row = max(1, min(int(width / entry), len(spec.labels)))
    return per_row, -(-len(spec.labels) // per_row)


def rows_by_method(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the methods of a table in their fixed order, each with its rows."""
    for method in METHOD_COLOURS:
        rows = table[table["method"] == method]
        if len(rows):
            yield method, rows
