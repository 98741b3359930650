"""The colours of all figures, and one look per algorithm."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import numpy as np

from pmd_pipeline.reporting.drawing.spec import Dash, Marker

# Okabe and Ito's palette for colour-blind readers, without black and yellow (unreadable on a dark
# and on a white page), blue and green lightened a little for the dark one.
BLUE, ORANGE, GREEN, PINK, AMBER, SKY, GREY = PALETTE = (
    "#0077bb",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#8c8c8c",
)
INK = "#000000"

# Of quantities: viridis by van der Walt and Smith, in ten steps.
SCALE = (
    "#440154",
    "#482878",
    "#3e4989",
    "#31688e",
    "#26828e",
    "#1f9e89",
    "#35b779",
    "#6ece58",
    "#b5de2b",
    "#fde725",
)
_DARK_PART = 0.66
"""Of the scale: lines of the rest are hard to see on white."""

BAND_OPACITY = 0.13

# Of the lines behind a mean, such as those of single seeds.
THIN_WIDTH = 0.7  # points
_PALEST, _LEAST_PALE = 0.2, 0.4

# With more points than this, markers hide the line.
MOST_MARKED_POINTS = 20

_DASHES = tuple(dash for dash in get_args(Dash) if dash != "none")
_MARKERS = tuple(marker for marker in get_args(Marker) if marker != "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmStyle:
    """How an algorithm is drawn.

    Attributes:
        colour: Hexadecimal.
        dash: Of its lines.
        marker: Of its points.
    """

    colour: str
    dash: Dash
    marker: Marker


def algorithm_styles(algorithms: Iterable[str]) -> dict[str, AlgorithmStyle]:
    """Return a style per algorithm, by its place among them.

    The numbers of colours, dashes and markers share no factor: with 7, 5 and 8 of them, no two of
    the first 280 algorithms look the same, and the first five differ in each.
    """
    return {
        algorithm: AlgorithmStyle(
            colour=PALETTE[i % len(PALETTE)],
            dash=_DASHES[i % len(_DASHES)],
            marker=_MARKERS[i % len(_MARKERS)],
        )
        for i, algorithm in enumerate(dict.fromkeys(algorithms))
    }


def thin_opacity(num_lines: int) -> float:
    """Return the opacity of so many thin lines behind a mean: the more there are, the paler."""
    return min(max(1.2 / num_lines, _PALEST), _LEAST_PALE)


def scale_colour(place: float) -> str:
    """Return the colour at a place of the scale, 0 to 1; beyond are the ends', NaN is grey."""
    if math.isnan(place):
        return GREY
    position = float(np.clip(place, 0.0, 1.0)) * (len(SCALE) - 1)
    index = min(int(position), len(SCALE) - 2)
    below, above = (np.array(red_green_blue(SCALE[i])) for i in (index, index + 1))
    mixed = below + (position - index) * (above - below)
    return "#" + "".join(f"{round(part):02x}" for part in mixed.tolist())


def ordered_colours(number: int) -> list[str]:
    """Return colours of ordered things, such as values of tau or rounds, dark to light."""
    return [scale_colour(place) for place in np.linspace(0.0, _DARK_PART, max(number, 1))]


def red_green_blue(colour: str) -> tuple[int, int, int]:
    """Return a hexadecimal colour's parts, 0 to 255."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue
