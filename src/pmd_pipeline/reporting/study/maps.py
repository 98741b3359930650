"""A study's figures over several dimensions: contour, parallel coordinates, Pareto front."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from pmd_pipeline.reporting.study.figures import (
    BLUE,
    COLOUR_SCALE,
    GREY,
    axis_layout,
    axis_texts,
    finished_figure,
    log_ticks,
)
from pmd_pipeline.reporting.study.results import (
    FINISHED,
    PRUNED,
    Axis,
    StudySummary,
    axis_of,
    axis_title,
    numeric_dimension,
)

_GRID_POINTS = 60
_NEIGHBOUR_POWER = 3


def plotly_study_contour(trials: pd.DataFrame, summary: StudySummary) -> go.Figure:
    """Return finished trials' values over two dimensions: tau and group size where searched."""
    figure = go.Figure()
    names = _two_dimensions(summary)
    finished = trials[trials["state"] == FINISHED]
    if len(names) == 2:
        x, y = (axis_of(finished, name, summary.dimensions[name]) for name in names)
        known = np.isfinite(x.positions) & np.isfinite(y.positions)
        values = finished["value"].to_numpy(dtype=float)
        if known.sum() >= 3:
            figure.add_trace(_surface(x, y, values, known, summary.metric))
        figure.add_scatter(
            x=x.positions[known],
            y=y.positions[known],
            mode="markers",
            marker={
                "color": values[known],
                "colorscale": COLOUR_SCALE,
                "size": 11,
                "line": {"color": "white", "width": 1.5},
                "cmin": values[known].min() if known.any() else 0,
                "cmax": values[known].max() if known.any() else 1,
            },
            customdata=np.column_stack([finished["trial"][known], values[known]]),
            hovertemplate="trial %{customdata[0]:d}: %{customdata[1]:.3f}<extra></extra>",
            showlegend=False,
        )
        figure.update_xaxes(**axis_layout(x))
        figure.update_yaxes(**axis_layout(y))
    title = " x ".join(axis_title(name) for name in names)
    return finished_figure(figure, f"Contour: {title}", height=430)


def plotly_study_parallel(trials: pd.DataFrame, summary: StudySummary) -> go.Figure:
    """Return a line per trial through its parameters to its value, pruned trials faint.

    Plotly's own parallel coordinates need WebGL, which not every browser has; these do not.
    """
    shown = trials[trials["state"].isin([FINISHED, PRUNED])].sort_values("value")
    axes = [axis_of(shown, name, dimension) for name, dimension in summary.dimensions.items()]
    values = shown["value"].to_numpy(dtype=float)
    axes.append(Axis(name="value", title=summary.metric, numbers=values, log=False, labels=None))
    figure = go.Figure()
    heights = np.column_stack([_heights(axis) for axis in axes])
    colours = _colours(values)
    for row, (trial, state) in enumerate(zip(shown["trial"], shown["state"], strict=True)):
        texts = [f"{axis.title} {text}" for axis in axes for text in [axis_texts(axis)[row]]]
        figure.add_scatter(
            x=list(range(len(axes))),
            y=heights[row],
            mode="lines+markers",
            opacity=0.9 if state == FINISHED else 0.25,
            line={
                "color": colours[row],
                "width": 2 if state == FINISHED else 1.2,
                "dash": "solid" if state == FINISHED else "dot",
            },
            marker={"size": 5},
            connectgaps=True,  # over the dimensions of other algorithms
            showlegend=False,
            hovertemplate=f"trial {trial} ({state})<br>{'<br>'.join(texts)}<extra></extra>",
        )
    for place, axis in enumerate(axes):
        _draw_axis(figure, place, axis)
    figure.update_xaxes(
        tickvals=list(range(len(axes))),
        ticktext=[axis.title for axis in axes],
        side="top",
        showgrid=False,
        range=[-0.35, len(axes) - 0.75],
    )
    figure.update_yaxes(visible=False, range=[-0.05, 1.05])
    return finished_figure(figure, "Parallel coordinates", height=420)


def plotly_study_pareto(trials: pd.DataFrame, summary: StudySummary) -> go.Figure:
    """Return accuracy against seconds, and the trials that no other beats in both."""
    finished = trials[trials["state"] == FINISHED]
    on_front = finished["trial"].isin(summary.pareto)
    front = finished[on_front].sort_values("training_seconds")
    figure = go.Figure()
    figure.add_scatter(
        name="beaten in both",
        x=finished.loc[~on_front, "training_seconds"],
        y=finished.loc[~on_front, "value"],
        mode="markers",
        marker={"color": GREY, "size": 8},
        text=finished.loc[~on_front, "trial"],
        hovertemplate="trial %{text}: %{x:.1f} s, %{y:.3f}<extra></extra>",
    )
    figure.add_scatter(
        name="Pareto front",
        x=front["training_seconds"],
        y=front["value"],
        mode="lines+markers",
        line={"color": BLUE, "shape": "hv", "width": 2},
        marker={"size": 10},
        text=front["trial"],
        hovertemplate="trial %{text}: %{x:.1f} s, %{y:.3f}<extra></extra>",
    )
    figure.update_xaxes(title_text="seconds of training", rangemode="tozero")
    figure.update_yaxes(title_text=f"{summary.metric}, validation")
    return finished_figure(figure, "Accuracy against seconds", height=420)


def _two_dimensions(summary: StudySummary) -> list[str]:
    first = numeric_dimension(summary)
    by_importance = sorted(summary.dimensions, key=lambda n: -summary.importances.get(n, 0.0))
    groups = [name for name in summary.dimensions if axis_title(name) == "group_size"]
    wanted = [first] if first is not None else []
    wanted += [name for name in [*groups, *by_importance] if name not in wanted]
    return list(dict.fromkeys(wanted))[:2]


def _heights(axis: Axis) -> np.ndarray:
    """Return an axis's positions, its smallest at 0 and its largest at 1."""
    low, high = _bounds(axis)
    return (axis.positions - low) / (high - low)


def _bounds(axis: Axis) -> tuple[float, float]:
    if axis.labels is not None:
        return 0.0, max(len(axis.labels) - 1.0, 1.0)
    known = axis.positions[np.isfinite(axis.positions)]
    if not len(known):
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _draw_axis(figure: go.Figure, place: int, axis: Axis) -> None:
    low, high = _bounds(axis)
    if axis.labels is not None:
        ticks = [(float(i), label) for i, label in enumerate(axis.labels)]
    elif axis.log:
        ticks = [(float(np.log10(tick)), f"{tick:g}") for tick in log_ticks(axis.numbers)]
    else:
        ticks = [(value, f"{value:.3g}") for value in np.linspace(low, high, 5)]
    figure.add_shape(type="line", x0=place, x1=place, y0=0, y1=1, line={"color": GREY, "width": 1})
    for position, text in ticks:
        height = (position - low) / (high - low)
        if -0.01 <= height <= 1.01:
            figure.add_annotation(
                x=place,
                y=height,
                text=text,
                showarrow=False,
                xanchor="right",
                xshift=-6,
                font={"size": 11},
                bgcolor="rgba(255,255,255,0.7)",
            )


def _colours(values: np.ndarray) -> list[str]:
    known = values[np.isfinite(values)]
    if not len(known) or known.max() == known.min():
        return [BLUE] * len(values)
    places = np.nan_to_num((values - known.min()) / (known.max() - known.min()))
    return list(sample_colorscale(COLOUR_SCALE, places.tolist()))


def _surface(x: Axis, y: Axis, values: np.ndarray, known: np.ndarray, metric: str) -> go.Contour:
    """Return a surface through the trials: means weighted by inverse distance."""
    points = np.column_stack([x.positions[known], y.positions[known]])
    low, high = points.min(axis=0), points.max(axis=0)
    scale = np.where(high > low, high - low, 1.0)
    grid_x = np.linspace(low[0], high[0], _GRID_POINTS)
    grid_y = np.linspace(low[1], high[1], _GRID_POINTS)
    grid = np.stack(np.meshgrid(grid_x, grid_y), axis=-1)
    distances = np.linalg.norm((grid[:, :, None, :] - points) / scale, axis=-1)
    weights = 1 / np.maximum(distances, 1e-6) ** _NEIGHBOUR_POWER
    surface = (weights * values[known]).sum(axis=-1) / weights.sum(axis=-1)
    return go.Contour(
        x=grid_x,
        y=grid_y,
        z=surface,
        colorscale=COLOUR_SCALE,
        zmin=values[known].min(),
        zmax=values[known].max(),
        contours={"coloring": "heatmap"},
        line={"width": 0.5},
        colorbar={"title": metric},
        hoverinfo="skip",
        showlegend=False,
    )
