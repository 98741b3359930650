"""One look per algorithm, the same in every figure and in both drawing libraries."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

MatplotlibDash = tuple[float, tuple[float, ...]] | Literal["solid"]

# Okabe and Ito's palette for colour-blind readers, without black and yellow (unreadable on a dark
# and on a white page), blue and green lightened a little for the dark one.
_COLOURS = ("#0077bb", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")
# The numbers of colours, dashes and markers share no factor: with 7, 5 and 8 of them, no two of
# the first 280 algorithms look the same, and the first five differ in each.
_DASHES: tuple[tuple[str, str, MatplotlibDash], ...] = (
    ("solid", "", "solid"),
    ("dash", "8 3", (0, (5, 2))),
    ("dashdot", "8 3 2 3", (0, (5, 2, 1.5, 2))),
    ("dot", "2 2.5", (0, (1.5, 1.5))),
    ("longdash", "14 4", (0, (9, 3))),
)
_MARKERS = (
    ("circle", "●", "o"),
    ("square", "■", "s"),
    ("diamond", "◆", "D"),
    ("triangle-up", "▲", "^"),
    ("x", "✖", "X"),
    ("triangle-down", "▼", "v"),
    ("star", "★", "*"),
    ("cross", "✚", "P"),
)

# With more points than this, markers hide the line.
MOST_MARKED_ROUNDS = 20

KIND_COLOURS = {
    "sampling": "#56b4e9",
    "grading": "#e69f00",
    "updating": "#009e73",
    "": "#8c8c8c",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmStyle:
    """How an algorithm is drawn.

    Attributes:
        colour: Hexadecimal.
        plotly_dash, svg_dash, matplotlib_dash: The line's dashes.
        plotly_marker, glyph, matplotlib_marker: The marker's shape.
    """

    colour: str
    plotly_dash: str
    svg_dash: str
    matplotlib_dash: MatplotlibDash
    plotly_marker: str
    glyph: str
    matplotlib_marker: str


def algorithm_styles(algorithms: Iterable[str]) -> dict[str, AlgorithmStyle]:
    """Return a style per algorithm, by its place among them."""
    styles = {}
    for i, algorithm in enumerate(dict.fromkeys(algorithms)):
        plotly_dash, svg_dash, matplotlib_dash = _DASHES[i % len(_DASHES)]
        plotly_marker, glyph, matplotlib_marker = _MARKERS[i % len(_MARKERS)]
        styles[algorithm] = AlgorithmStyle(
            colour=_COLOURS[i % len(_COLOURS)],
            plotly_dash=plotly_dash,
            svg_dash=svg_dash,
            matplotlib_dash=matplotlib_dash,
            plotly_marker=plotly_marker,
            glyph=glyph,
            matplotlib_marker=matplotlib_marker,
        )
    return styles
