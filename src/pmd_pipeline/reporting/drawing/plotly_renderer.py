"""Figures drawn for plotly.js: for kedro-viz, MLflow and the report."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.drawing.plotly_traces import (
    PIXELS_PER_POINT,
    numbers,
    panel_traces,
    positions,
)
from pmd_pipeline.reporting.drawing.scales import FEW_DECADES, SymlogScale, log_ticks
from pmd_pipeline.reporting.drawing.spec import Axis, FigureSpec, Level, Panel, Text, legend_shape
from pmd_pipeline.reporting.drawing.styles import GREY

# Below the axes: to their right it would take half the width of a small preview.
LEGEND = {
    "orientation": "h",
    "traceorder": "normal",
    "x": 0,
    "xanchor": "left",
    "yref": "container",
    "y": 0,
    "yanchor": "bottom",
}

# Of plotly's template "plotly_white", which would be repeated in every figure.
_TEXT_COLOUR = "#2a3f5f"
_GRID_COLOUR = "#ebf0f8"
_ANY_AXIS = {"gridcolor": _GRID_COLOUR, "linecolor": _GRID_COLOUR, "ticks": ""}

_PIXELS_PER_INCH = 115
_LEGEND_ROW_PIXELS = 26
_AXIS_PIXELS = 55
_EDGE_PIXELS = 20
_TITLE_PIXELS = 60
_SECOND_TITLE_PIXELS = 30
_PANEL_TITLE_SIZE = 14
_SMALL_FONT = 11
_LEVEL_SHIFT = 6  # of a level's name below it, so that no point at that level covers the name
_MOST_STEPS_WITH_A_TICK_EACH = 10
_SPACES = (0.26, 0.28)  # shares of the width and of the height that lie between panels
_PLACES = 9  # decimals of such a share, so that 1 is 1
_ROOM_BESIDE_BARS = 1.14


def plotly_figure(spec: FigureSpec) -> InteractiveFigure:
    """Return the panels in a grid with one legend below them; a click there hides a line in all."""
    traces: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    notes: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    in_legend: set[str] = set()
    for index, panel in enumerate(spec.panels):
        number = "" if index == 0 else str(index + 1)
        x, y = f"x{number}", f"y{number}"
        columns, rows = _domains(spec, index)
        traces += [{**t, "xaxis": x, "yaxis": y} for t in panel_traces(panel, in_legend)]
        axes[f"xaxis{number}"] = {"anchor": y, "domain": columns, **_x_axis(panel)}
        axes[f"yaxis{number}"] = {"anchor": x, "domain": rows, **_y_axis(panel, x)}
        if spec.title and panel.title:  # a lone panel's title stands where the figure's would
            notes.append(_panel_title(panel.title, columns, rows))
        notes += [_level_name(level, x, y) for level in panel.levels]
        notes += [_text(text, x, y) for text in panel.texts]
        shapes += [_level_line(level, x, y) for level in panel.levels]
    # Room for the labels above the legend, and for long names of bars. One axis asks for all:
    # plotly.js draws everything anew for each that does.
    below = spec.num_columns * (spec.num_rows - 1)
    axes[f"xaxis{'' if below == 0 else below + 1}"]["automargin"] = True
    if len(spec.panels) == 1:
        axes["yaxis"]["automargin"] = True
    layout = {**_outer_layout(spec), **axes, "annotations": notes, "shapes": shapes}
    return InteractiveFigure(data=traces, layout=layout)


def _outer_layout(spec: FigureSpec) -> dict[str, Any]:
    """Return what surrounds the panels."""
    title = spec.title or (spec.panels[0].title if len(spec.panels) == 1 else "")
    second = _SECOND_TITLE_PIXELS if spec.title and spec.panels[0].title else 0
    panels = spec.panel_inches[1] * spec.num_rows * _PIXELS_PER_INCH
    bottom = _AXIS_PIXELS if any(panel.has_axes for panel in spec.panels) else _EDGE_PIXELS
    return {
        "title": {"text": title, "x": 0, "xref": "paper"},
        "font": {"color": _TEXT_COLOUR},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "autotypenumbers": "strict",
        "height": round(panels + second + _LEGEND_ROW_PIXELS * legend_shape(spec)[1], 6),
        # Plotly itself leaves room for a legend at the bottom of the figure.
        "margin": {"l": 70, "r": 20, "t": _TITLE_PIXELS + second, "b": bottom},
        "hovermode": "closest",
        "hoverlabel": {"align": "left"},
        "legend": LEGEND,
        "barmode": "stack",
    }


def _domains(spec: FigureSpec, index: int) -> tuple[list[float], list[float]]:
    """Return from where to where a panel reaches, in shares of the figure's width and height."""
    row, column = divmod(index, spec.num_columns)
    places = ((column, spec.num_columns), (spec.num_rows - 1 - row, spec.num_rows))
    spans = []
    for (place, count), total in zip(places, _SPACES, strict=True):
        space = total / count
        length = (1 - space * (count - 1)) / count
        low = place * (length + space)
        spans.append([round(low, _PLACES), round(min(low + length, 1.0), _PLACES)])
    return spans[0], spans[1]


def _x_axis(panel: Panel) -> dict[str, Any]:
    if not panel.has_axes:
        axis: dict[str, Any] = {"visible": False, "range": panel.x.range}
    else:
        axis = _axis(panel.x, [series.x for series in panel.series])
    if panel.bars:
        longest = sum((bars.lengths for bars in panel.bars), np.zeros(1)).max()
        axis["range"] = [0, _ROOM_BESIDE_BARS * float(longest)]
    if panel.has_equal_scales:
        axis["constrain"] = "domain"
    return axis


def _y_axis(panel: Panel, x: str) -> dict[str, Any]:
    if not panel.has_axes:
        axis: dict[str, Any] = {"visible": False, "range": panel.y.range}
    else:
        axis = _axis(panel.y, [series.y for series in panel.series])
    if panel.bars:  # the first on top, as one reads
        axis |= {"autorange": "reversed", "ticksuffix": " "}
    if panel.has_equal_scales:
        axis |= {"scaleanchor": x, "constrain": "domain"}
    return axis


def _axis(axis: Axis, data: Iterable[np.ndarray]) -> dict[str, Any]:
    layout: dict[str, Any] = {
        **_ANY_AXIS,
        "title": {"text": axis.label, "standoff": 8},
        "zeroline": False,
    }
    if axis.range is not None:
        layout["range"] = list(axis.range)
    if isinstance(axis.scale, SymlogScale):
        values = np.concatenate([*data, np.zeros(1)])
        low, high = axis.range or (np.nanmin(values), np.nanmax(values))
        ticks = axis.scale.ticks(low, high)
        return layout | {
            "range": numbers(positions(np.array([low, high]), axis)),
            "tickvals": positions(np.array(ticks), axis).tolist(),
            "ticktext": [formatting.tick(tick) for tick in ticks],
        }
    if axis.scale == "log":
        layout["type"] = "log"
        if axis.range is not None:  # plotly wants it as powers of ten
            layout["range"] = [math.log10(end) for end in axis.range]
    if axis.ticks:
        names = [name.replace("\n", "<br>") for _, name in axis.ticks]
        return layout | {"tickvals": [place for place, _ in axis.ticks], "ticktext": names}
    if axis.scale == "log":
        values = np.concatenate([part[part > 0] for part in data] or [np.ones(1)])
        low, high = axis.range or (values.min(initial=1.0), values.max(initial=1.0))
        if high >= FEW_DECADES * low:
            return layout | {"exponentformat": "power", "dtick": 1}
        ticks = log_ticks(low, high)
        return layout | {"tickvals": ticks, "ticktext": [formatting.tick(tick) for tick in ticks]}
    if axis.is_integer:
        ends = [float(end) for values in data if len(values) for end in (min(values), max(values))]
        is_short = not ends or max(ends) - min(ends) <= _MOST_STEPS_WITH_A_TICK_EACH
        # Left alone, plotly would also mark halves, and write them as whole numbers.
        layout |= {"tickformat": "d", **({"dtick": 1} if is_short else {"nticks": 7})}
    return layout


def _panel_title(title: str, columns: list[float], rows: list[float]) -> dict[str, Any]:
    return {
        "text": title,
        "x": sum(columns) / 2,
        "xref": "paper",
        "xanchor": "center",
        "y": rows[1],
        "yref": "paper",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": _PANEL_TITLE_SIZE},
    }


def _level_line(level: Level, x: str, y: str) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": f"{x} domain",
        "x0": 0,
        "x1": 1,
        "yref": y,
        "y0": float(level.y),
        "y1": float(level.y),
        "line": {"color": GREY, "dash": "dash", "width": 1.5},
    }


def _level_name(level: Level, x: str, y: str) -> dict[str, Any]:
    return {
        "text": level.text,
        "xref": f"{x} domain",
        "x": 1,
        "xanchor": "right",
        "yref": y,
        "y": float(level.y),
        "yanchor": "top",
        "yshift": -_LEVEL_SHIFT,
        "showarrow": False,
        "font": {"color": GREY},
    }


def _text(text: Text, x: str, y: str) -> dict[str, Any]:
    ground = {"bgcolor": "rgba(255,255,255,0.7)"} if text.has_ground else {}
    return {
        "text": text.text.replace("\n", "<br>"),
        "xref": x,
        "x": float(text.x),
        "xanchor": text.align,
        "xshift": PIXELS_PER_POINT * text.shift,
        "yref": y,
        "y": float(text.y),
        "showarrow": False,
        "font": {"size": _SMALL_FONT},
        **ground,
    }
