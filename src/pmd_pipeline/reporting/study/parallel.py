"""A study's parallel coordinates: a line per trial through its parameters to its value.

Optuna's own need WebGL, which not every browser has; these do not.
"""

import numpy as np
import pandas as pd

from pmd_pipeline.reporting.drawing.spec import Axis, FigureSpec, Panel, Series, Text
from pmd_pipeline.reporting.drawing.styles import GREY, scale_colour
from pmd_pipeline.reporting.study.dimensions import Dimension, dimension_of
from pmd_pipeline.reporting.study.results import FINISHED, PRUNED, StudySummary

_INCHES_PER_AXIS = 2.4
_PRUNED_OPACITY = 0.25
_TITLE_HEIGHT = 1.08


def study_parallel(trials: pd.DataFrame, summary: StudySummary) -> FigureSpec:
    """Return the lines, coloured by value, pruned trials faint."""
    shown = trials[trials["state"].isin([FINISHED, PRUNED])].sort_values("value")
    axes = [dimension_of(shown, name, dimension) for name, dimension in summary.dimensions.items()]
    values = shown["value"].to_numpy(dtype=float)
    axes.append(Dimension(title=summary.metric, numbers=values, log=False, labels=None))
    heights = np.column_stack([axis.places() for axis in axes])
    texts = [[f"{axis.title} {text}" for text in axis.texts()] for axis in axes]
    lines = [
        _line(heights[row], f"trial {trial} ({state})", [column[row] for column in texts], state)
        for row, (trial, state) in enumerate(zip(shown["trial"], shown["state"], strict=True))
    ]
    panel = Panel(
        name="parallel",
        title="Parallel coordinates",
        x=Axis(range=(-0.35, len(axes) - 0.75)),
        y=Axis(range=(-0.05, _TITLE_HEIGHT + 0.05)),
        series=(*lines, *(_axis_line(place) for place in range(len(axes)))),
        texts=tuple(text for place, axis in enumerate(axes) for text in _axis_texts(place, axis)),
        has_axes=False,
    )
    return FigureSpec.of(panel, inches=(_INCHES_PER_AXIS * len(axes), 3.6))


def _line(heights: np.ndarray, name: str, texts: list[str], state: str) -> Series:
    """Return a trial's line, straight over the dimensions of other algorithms."""
    places = np.flatnonzero(np.isfinite(heights))
    is_finished = state == FINISHED
    return Series(
        x=places,
        y=heights[places],
        colour=scale_colour(heights[-1]),
        dash="solid" if is_finished else "dot",
        width=1.5 if is_finished else 0.9,
        opacity=0.9 if is_finished else _PRUNED_OPACITY,
        marker="circle",
        size=4.0,
        hover=("\n".join([name, *texts]),) * len(places),
    )


def _axis_line(place: int) -> Series:
    ends = np.array([0.0, 1.0])
    return Series(x=np.full(2, place), y=ends, colour=GREY, width=0.8, hover=())


def _axis_texts(place: int, axis: Dimension) -> list[Text]:
    low, high = axis.bounds
    title = Text(x=place, y=_TITLE_HEIGHT, text=axis.title)
    return [
        title,
        *(
            Text(
                x=place,
                y=(position - low) / (high - low),
                text=text,
                align="right",
                shift=-5,
                has_ground=True,
            )
            for position, text in axis.ticks()
        ),
    ]
