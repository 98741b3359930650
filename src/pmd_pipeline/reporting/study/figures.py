"""A study's figures: history, importances, slices, learning curves."""

import math
from typing import cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.curves.plotly_figures import TEMPLATE
from pmd_pipeline.reporting.study.results import (
    FAILED,
    FINISHED,
    PRUNED,
    Axis,
    StudySummary,
    axis_of,
    axis_title,
    numeric_dimension,
)

COLOUR_SCALE = "Viridis"
BLUE, ORANGE, GREY = "#0077bb", "#d55e00", "#8c8c8c"
_FAINT = 0.3
_TICK_BASES = (1, 2, 5)


def plotly_study_history(trials: pd.DataFrame, summary: StudySummary) -> go.Figure:
    """Return every trial's value in order, and the best so far."""
    figure = go.Figure()
    finished = trials[trials["state"] == FINISHED]
    for state, symbol, colour, size in (
        (FINISHED, "circle", BLUE, 9),
        (PRUNED, "circle-open", GREY, 8),
    ):
        rows = trials[trials["state"] == state]
        figure.add_scatter(
            name=f"{state} trial" if state == FINISHED else "pruned trial, last evaluation",
            x=rows["trial"],
            y=rows["value"],
            mode="markers",
            marker={"symbol": symbol, "color": colour, "size": size},
            hovertemplate="trial %{x}: %{y:.3f}<extra></extra>",
        )
    failed = trials[trials["state"] == FAILED]
    if not failed.empty:
        figure.add_scatter(
            name="failed trial",
            x=failed["trial"],
            y=np.full(len(failed), trials["value"].min() if len(finished) else 0.0),
            mode="markers",
            marker={"symbol": "x", "color": ORANGE, "size": 9},
            text=failed["error"],
            hovertemplate="trial %{x}: %{text}<extra></extra>",
        )
    figure.add_scatter(
        name="best so far",
        x=finished["trial"],
        y=finished["value"].cummax(),
        mode="lines",
        line={"color": BLUE, "width": 2, "shape": "hv"},
        hoverinfo="skip",
    )
    _initial_line(figure, summary)
    figure.update_xaxes(title_text="trial", tickformat="d")
    figure.update_yaxes(title_text=_value_title(summary))
    return finished_figure(figure, "Optimisation history", height=420)


def plotly_study_importances(summary: StudySummary) -> go.Figure:
    """Return each dimension's share of the variance of finished trials."""
    names = list(summary.importances)
    shares = [summary.importances[name] for name in names]
    figure = go.Figure(
        go.Bar(
            x=shares,
            y=[axis_title(name) for name in names],
            customdata=names,
            orientation="h",
            marker={"color": BLUE},
            text=[formatting.percent(round(share, 3)) for share in shares],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{customdata}: %{x:.3f}<extra></extra>",
        )
    )
    if not names:
        _say(figure, "Too few finished trials to tell, or all equally good.")
    figure.update_xaxes(title_text="share of the variance", range=[0, 1.1])
    figure.update_yaxes(autorange="reversed", automargin=True, ticksuffix=" ")
    return finished_figure(figure, "Parameter importances", height=150 + 40 * max(len(names), 2))


def plotly_study_slices(trials: pd.DataFrame, summary: StudySummary) -> go.Figure:
    """Return the value against each dimension, coloured by the trial's place in the study."""
    shown = trials[trials["state"].isin([FINISHED, PRUNED])]
    names = list(summary.dimensions)
    figure = make_subplots(rows=1, cols=len(names), shared_yaxes=True, horizontal_spacing=0.04)
    for column, name in enumerate(names, start=1):
        axis = axis_of(shown, name, summary.dimensions[name])
        is_pruned = (shown["state"] == PRUNED).to_numpy()
        figure.add_scatter(
            x=axis.positions,
            y=shown["value"],
            mode="markers",
            marker={
                "color": shown["trial"],
                "coloraxis": "coloraxis",
                "size": 9,
                "symbol": np.where(is_pruned, "circle-open", "circle"),
                "line": {"width": np.where(is_pruned, 1.5, 0.0)},
            },
            customdata=np.column_stack([shown["trial"], axis_texts(axis)]),
            hovertemplate="trial %{customdata[0]}: "
            + f"{axis.title} %{{customdata[1]}}, %{{y:.3f}}<extra></extra>",
            showlegend=False,
            row=1,
            col=column,
        )
        figure.update_xaxes(**axis_layout(axis), row=1, col=column)
    figure.update_yaxes(title_text=_value_title(summary), row=1, col=1)
    figure.update_layout(
        coloraxis={"colorscale": COLOUR_SCALE, "colorbar": {"title": "trial", "tickformat": "d"}},
        width=max(600, 330 * len(names)),
    )
    return finished_figure(figure, "Slices", height=400)


def plotly_study_curves(
    curves: pd.DataFrame, trials: pd.DataFrame, summary: StudySummary
) -> go.Figure:
    """Return every trial's evaluations, coloured by tau, pruned trials faint."""
    figure = go.Figure()
    name = numeric_dimension(summary)
    axis = None if name is None else axis_of(trials, name, summary.dimensions[name])
    places = _places(axis, len(trials))
    by_trial = dict(zip(trials["trial"], range(len(trials)), strict=True))
    for key, rows in curves.groupby(["trial", "repeat"], sort=True):
        trial, repeat = (int(part) for part in cast("tuple[int, int]", key))
        state = str(rows["state"].iloc[0])
        row = by_trial[trial]
        label = f"trial {trial}" + (f", repeat {repeat + 1}" if curves["repeat"].max() else "")
        value = "" if axis is None else f", {axis.title} {axis_texts(axis)[row]}"
        figure.add_scatter(
            x=[0, *rows["phase"]],
            y=[summary.initial_value, *rows["value"]],
            mode="lines+markers",
            opacity=1.0 if state == FINISHED else _FAINT,
            line={
                "color": sample_colorscale(COLOUR_SCALE, [places[row]])[0],
                "width": 2 if state == FINISHED else 1.2,
                "dash": "solid" if state == FINISHED else "dot",
            },
            marker={"size": 5},
            showlegend=False,
            hovertemplate=f"{label} ({state}){value}<br>"
            "after phase %{x}: %{y:.3f}<extra></extra>",
        )
    if axis is not None and np.isfinite(axis.positions).any():
        figure.add_trace(_colour_bar(axis))
    _initial_line(figure, summary)
    figure.update_xaxes(title_text="phase", tickformat="d", dtick=1)
    figure.update_yaxes(title_text=_value_title(summary))
    return finished_figure(figure, "Learning curves of all trials", height=460)


def finished_figure(figure: go.Figure, title: str, *, height: int) -> go.Figure:
    """Return the figure in the house's look."""
    has_legend = any(trace.showlegend is not False and trace.name for trace in figure.data)
    figure.update_layout(
        template=TEMPLATE,
        title={"text": title, "x": 0, "xref": "paper"},
        height=height + (40 if has_legend else 0),
        margin={"l": 70, "r": 20, "t": 60, "b": 95 if has_legend else 55},
        hovermode="closest",
        legend={"orientation": "h", "x": 0, "y": -0.22, "yanchor": "top"},
    )
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(zeroline=False)
    return figure


def axis_layout(axis: Axis) -> dict[str, object]:
    """Return a dimension's axis for plotly; it shows positions, so the ticks bear the values."""
    layout: dict[str, object] = {"title_text": axis.title}
    if axis.labels is not None:
        layout |= {
            "tickvals": list(range(len(axis.labels))),
            "ticktext": axis.labels,
            "range": [-0.5, len(axis.labels) - 0.5],
        }
    elif axis.log:
        ticks = log_ticks(axis.numbers)
        layout |= {"tickvals": np.log10(ticks).tolist(), "ticktext": [f"{t:g}" for t in ticks]}
    return layout


def log_ticks(values: np.ndarray) -> list[float]:
    """Return round numbers around positive values: 1, 2 and 5 times powers of ten."""
    known = values[np.isfinite(values)]
    if not len(known):
        return [1.0]
    powers = range(math.floor(math.log10(known.min())), math.ceil(math.log10(known.max())) + 1)
    ticks = [base * 10.0**power for power in powers for base in _TICK_BASES]
    return [tick for tick in ticks if known.min() / 1.6 <= tick <= known.max() * 1.6]


def _places(axis: Axis | None, num_trials: int) -> np.ndarray:
    """Return where on the colour scale each trial stands, 0 to 1."""
    if axis is None:
        return np.full(num_trials, 0.5)
    positions = axis.positions
    known = positions[np.isfinite(positions)]
    if not len(known) or known.max() == known.min():
        return np.full(num_trials, 0.5)
    places = (positions - known.min()) / (known.max() - known.min())
    return np.where(np.isfinite(places), places, 0.5)


def _colour_bar(axis: Axis) -> go.Scatter:
    known = axis.positions[np.isfinite(axis.positions)]
    bar: dict[str, object] = {"title": axis.title}
    if axis.log:
        ticks = log_ticks(axis.numbers)
        bar |= {"tickvals": np.log10(ticks).tolist(), "ticktext": [f"{t:g}" for t in ticks]}
    return go.Scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={
            "colorscale": COLOUR_SCALE,
            "cmin": known.min(),
            "cmax": max(known.max(), known.min() + 1e-9),
            "color": [known.min()],
            "showscale": True,
            "colorbar": bar,
        },
        showlegend=False,
        hoverinfo="skip",
    )


def _initial_line(figure: go.Figure, summary: StudySummary) -> None:
    figure.add_hline(
        y=summary.initial_value,
        line={"color": GREY, "dash": "dash", "width": 1.5},
        annotation_text="initial policy",
        annotation_position="bottom right",
        annotation_font_color=GREY,
    )


def axis_texts(axis: Axis) -> list[str]:
    """Return the values as people read them."""
    if axis.labels is None:
        return [formatting.number(value) for value in axis.numbers]
    labels = axis.labels
    return [formatting.MISSING if math.isnan(v) else labels[int(v)] for v in axis.numbers]


def _value_title(summary: StudySummary) -> str:
    return f"{summary.metric}, validation"


def _say(figure: go.Figure, text: str) -> None:
    figure.add_annotation(
        text=text, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font_color=GREY
    )
