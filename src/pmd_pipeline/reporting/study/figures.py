"""A study's figures that optuna.visualization lacks: history and learning curves of all trials.

Optuna's own history leaves out pruned and failed trials and the initial policy; its intermediate
values leave out repeats, the initial policy and what a curve's colour could tell.
"""

import math
from typing import cast

import numpy as np
import pandas as pd

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.drawing.spec import (
    Axis,
    ColourBar,
    FigureSpec,
    Level,
    Marker,
    Panel,
    Series,
)
from pmd_pipeline.reporting.drawing.styles import BLUE, GREY, ORANGE, scale_colour
from pmd_pipeline.reporting.study.dimensions import Dimension, dimension_of, numeric_dimension
from pmd_pipeline.reporting.study.results import FAILED, FINISHED, PRUNED, StudySummary

FAINT = 0.3
_PADDING = 0.08  # share of the range left free on either side, for the words at a level


def study_history(trials: pd.DataFrame, summary: StudySummary) -> FigureSpec:
    """Return every trial's value in order, and the highest so far."""
    finished = trials[trials["state"] == FINISHED]
    failed = trials[trials["state"] == FAILED]
    series = [
        _points(finished, "finished trial", BLUE, "circle"),
        _points(
            trials[trials["state"] == PRUNED],
            "pruned trial, last evaluation",
            GREY,
            "circle",
            is_hollow=True,
        ),
    ]
    if not failed.empty:
        lowest = trials["value"].min() if len(finished) else 0.0
        series.append(_points(failed.assign(value=lowest), "failed trial", ORANGE, "x"))
    series.append(
        Series(
            label="highest so far",
            x=finished["trial"].to_numpy(),
            y=finished["value"].cummax().to_numpy(dtype=float),
            colour=BLUE,
            is_step=True,
            hover=(),
        )
    )
    return _over_values(
        "history",
        "Optimisation history",
        Axis(label="trial", is_integer=True),
        [part for part in series if len(part.x)],
        summary,
    )


def study_curves(curves: pd.DataFrame, trials: pd.DataFrame, summary: StudySummary) -> FigureSpec:
    """Return every trial's evaluations, coloured by tau, pruned trials faint."""
    name = numeric_dimension(summary)
    dimension = None if name is None else dimension_of(trials, name, summary.dimensions[name])
    places = [math.nan] * len(trials) if dimension is None else dimension.places().tolist()
    row_of = dict(zip(trials["trial"], range(len(trials)), strict=True))
    has_repeats = bool(curves["repeat"].max()) if len(curves) else False
    series = []
    for key, rows in curves.groupby(["trial", "repeat"], sort=True):
        trial, repeat = (int(part) for part in cast("tuple[int, int]", key))
        state, row = str(rows["state"].iloc[0]), row_of[trial]
        label = f"trial {trial}" + (f", repeat {repeat + 1}" if has_repeats else "")
        value = "" if dimension is None else f", {dimension.title} {dimension.texts()[row]}"
        phases = np.array([0, *rows["phase"]])
        values = np.array([summary.initial_value, *rows["value"]], dtype=float)
        is_finished = state == FINISHED
        series.append(
            Series(
                x=phases,
                y=values,
                colour=scale_colour(places[row]),
                dash="solid" if is_finished else "dot",
                width=1.5 if is_finished else 0.9,
                opacity=1.0 if is_finished else FAINT,
                marker="circle",
                size=4.0,
                hover=tuple(
                    f"{label} ({state}){value}\nafter phase {phase}: {formatting.share(y)}"
                    for phase, y in zip(phases, values, strict=True)
                ),
            )
        )
    bar = None if dimension is None else _colour_bar(dimension)
    axis = Axis(label="phase", is_integer=True)
    return _over_values(
        "learning_curves", "Learning curves of all trials", axis, series, summary, bar
    )


def value_title(summary: StudySummary) -> str:
    """Return what the trials' values are called."""
    return f"{summary.metric}, validation"


def _points(
    rows: pd.DataFrame, label: str, colour: str, marker: Marker, *, is_hollow: bool = False
) -> Series:
    hover = tuple(
        f"trial {trial}: {formatting.share(value) if pd.isna(error) or not error else error}"
        for trial, value, error in zip(rows["trial"], rows["value"], rows["error"], strict=True)
    )
    return Series(
        label=label,
        x=rows["trial"].to_numpy(),
        y=rows["value"].to_numpy(dtype=float),
        colour=colour,
        dash="none",
        marker=marker,
        size=6.0,
        is_hollow=is_hollow,
        hover=hover,
    )


def _over_values(
    name: str,
    title: str,
    x: Axis,
    series: list[Series],
    summary: StudySummary,
    colour_bar: ColourBar | None = None,
) -> FigureSpec:
    """Return a figure of trials' values with the initial policy's as a line."""
    values = np.concatenate([*(part.y for part in series), [summary.initial_value]])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    padding = _PADDING * (high - low) or 0.1
    panel = Panel(
        name=name,
        title=title,
        x=x,
        y=Axis(label=value_title(summary), range=(low - padding, high + padding)),
        series=tuple(series),
        levels=(Level(y=summary.initial_value, text="initial policy"),),
        colour_bar=colour_bar,
    )
    return FigureSpec.of(panel, inches=(8.0, 4.0))


def _colour_bar(dimension: Dimension) -> ColourBar:
    low, high = dimension.bounds
    places = ((position - low) / (high - low) for position, _ in dimension.ticks())
    texts = (text for _, text in dimension.ticks())
    # A round value just outside is close enough to stand at the end.
    ticks = tuple(
        (min(max(place, 0.0), 1.0), text) for place, text in zip(places, texts, strict=True)
    )
    return ColourBar(title=dimension.title, ticks=ticks)
