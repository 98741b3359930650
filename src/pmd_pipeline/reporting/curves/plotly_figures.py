"""Interactive figures, for kedro-viz, MLflow and the report."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.curves.panels import X_LABEL, Panel, Series
from pmd_pipeline.reporting.drawing.styles import KIND_COLOURS, MOST_MARKED_ROUNDS
from pmd_pipeline.reporting.run_page.stage_times import stacked_times

TEMPLATE = "plotly_white"
_BAND_OPACITY = 0.13
_ROW_HEIGHT = 300
_MOST_SINGLE_TICKS = 12
# Below the axes: to their right it would take half the width of a small preview.
_LEGEND = {
    "orientation": "h",
    "traceorder": "normal",
    "x": 0,
    "xanchor": "left",
    "yref": "container",
    "y": 0,
    "yanchor": "bottom",
}


def plotly_panel(panel: Panel) -> go.Figure:
    """Return one panel with its legend."""
    figure = go.Figure()
    _add_panel(figure, panel, position=None, shows_legend=True)
    figure.update_layout(
        title={"text": panel.title, "x": 0, "xref": "paper"},
        height=400,
        margin={"l": 70, "r": 20, "t": 60, "b": 55},
    )
    return _finished(figure)


def plotly_panel_grid(panels: Sequence[Panel], *, title: str, num_columns: int = 3) -> go.Figure:
    """Return all panels in one figure with one legend; a click there hides a line everywhere."""
    num_columns = min(num_columns, len(panels))
    num_rows = -(-len(panels) // num_columns)
    figure = make_subplots(
        rows=num_rows,
        cols=num_columns,
        subplot_titles=[panel.title for panel in panels],
        horizontal_spacing=0.08,
        vertical_spacing=0.26 / num_rows,
    )
    for i, panel in enumerate(panels):
        position = (i // num_columns + 1, i % num_columns + 1)
        _add_panel(figure, panel, position=position, shows_legend=i == 0)
    figure.update_layout(
        title={"text": title, "x": 0, "xref": "paper"},
        height=_ROW_HEIGHT * num_rows + 120,
        margin={"l": 70, "r": 20, "t": 90, "b": 55},
    )
    return _finished(figure)


def plotly_stage_times(stage_times: pd.DataFrame) -> go.Figure:
    """Return a bar per stage, stacked by kind of work.

    Args:
        stage_times: Columns ``stage, seconds`` and, where known, ``kind``.
    """
    stacks = stacked_times(stage_times)
    figure = go.Figure()
    for kind in stacks.columns:
        seconds = stacks[kind].to_numpy()
        figure.add_bar(
            name=kind or "whole stage",
            y=list(stacks.index),
            x=seconds,
            orientation="h",
            marker={"color": KIND_COLOURS.get(kind, KIND_COLOURS[""])},
            customdata=[formatting.seconds(value) for value in seconds],
            hovertemplate="%{y}: %{customdata}",
        )
    figure.update_layout(
        barmode="stack",
        title={"text": "Time per stage", "x": 0, "xref": "paper"},
        height=130 + 30 * len(stacks),
        margin={"l": 20, "r": 20, "t": 60, "b": 55},
    )
    # The first stage on top, as one reads.
    figure.update_yaxes(autorange="reversed", automargin=True, ticksuffix=" ")
    figure.update_xaxes(title_text="seconds", rangemode="tozero")
    return _finished(figure)


def _add_panel(
    figure: go.Figure, panel: Panel, *, position: tuple[int, int] | None, shows_legend: bool
) -> None:
    where = {} if position is None else {"row": position[0], "col": position[1]}
    for series in panel.series:
        if series.low is not None and series.high is not None:
            figure.add_trace(_band(series, panel), **where)
    for series in panel.series:
        figure.add_trace(_line(series, panel, shows_legend=shows_legend), **where)
    figure.update_yaxes(title_text=panel.y_label, **_y_axis(panel), **where)
    rounds = [int(value) for series in panel.series for value in series.rounds]
    few = bool(rounds) and max(rounds) <= _MOST_SINGLE_TICKS
    ticks = {"dtick": 1} if few else {"nticks": 8}
    figure.update_xaxes(title_text=X_LABEL, tickformat="d", **ticks, **where)


def _line(series: Series, panel: Panel, *, shows_legend: bool) -> go.Scatter:
    marked = len(series.rounds) <= MOST_MARKED_ROUNDS
    style = series.style
    intervals = _interval_texts(series)
    return go.Scatter(
        name=series.algorithm,
        legendgroup=series.algorithm,
        showlegend=shows_legend,
        x=series.rounds,
        y=_positions(series.y, panel),
        mode="lines+markers" if marked else "lines",
        line={"color": style.colour, "dash": style.plotly_dash, "width": 2},
        marker={"symbol": style.plotly_marker, "size": 7},
        # On a logarithmic axis y holds positions: the reader wants the values.
        customdata=[
            [_number(value), text] for value, text in zip(series.y, intervals, strict=True)
        ],
        hovertemplate=f"{series.algorithm}, {X_LABEL} %{{x}}: %{{customdata[0]}}"
        "%{customdata[1]}<extra></extra>",
    )


def _band(series: Series, panel: Panel) -> go.Scatter:
    assert series.low is not None
    assert series.high is not None
    known = np.isfinite(series.low) & np.isfinite(series.high)
    rounds = series.rounds[known]
    low, high = _positions(series.low[known], panel), _positions(series.high[known], panel)
    return go.Scatter(
        name=f"{series.algorithm}, interval",
        legendgroup=series.algorithm,
        showlegend=False,
        x=np.concatenate([rounds, rounds[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        mode="lines",
        line={"width": 0, "color": series.style.colour},
        fill="toself",
        fillcolor=_transparent(series.style.colour),
        hoverinfo="skip",
    )


def _positions(values: np.ndarray, panel: Panel) -> np.ndarray:
    return values if panel.scale is None else panel.scale.forward(values)


def _y_axis(panel: Panel) -> dict[str, object]:
    low, high = _positions(np.array(panel.y_range), panel)
    axis: dict[str, object] = {"range": [float(low), float(high)]}
    if panel.scale is not None:
        ticks = panel.scale.ticks(*panel.y_range)
        axis["tickvals"] = [float(value) for value in panel.scale.forward(np.array(ticks))]
        axis["ticktext"] = [_number(value) for value in ticks]
    return axis


def _finished(figure: go.Figure) -> go.Figure:
    figure.update_layout(template=TEMPLATE, hovermode="closest", legend=_LEGEND)
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(zeroline=False)
    return figure


def _interval_texts(series: Series) -> list[str]:
    if series.low is None or series.high is None:
        return [""] * len(series.rounds)
    return [
        f" {formatting.interval(low, high)}"
        for low, high in zip(series.low, series.high, strict=True)
    ]


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", formatting.MINUS)


def _transparent(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{_BAND_OPACITY})"
