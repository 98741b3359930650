"""Figures drawn for plotly.js: for kedro-viz, MLflow and the report."""

import math
import textwrap
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
from pmd_pipeline.reporting.drawing.scales import (
    FEW_DECADES,
    SymlogScale,
    log_ticks,
    round_ticks,
)
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
_GRID_COLOUR = "#ebf0f8"
ANY_AXIS = {"gridcolor": _GRID_COLOUR, "linecolor": _GRID_COLOUR, "ticks": ""}
PLAIN_LOOK = {
    "font": {"color": "#2a3f5f"},
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
    "autotypenumbers": "strict",
}

PANEL_TITLE = "panel title"
"""What the titles of panels are called among a figure's annotations."""

_PIXELS_PER_INCH = 115
_LEGEND_ROW_PIXELS = 26
_AXIS_PIXELS = 55
_EDGE_PIXELS = 20
_TITLE_PIXELS = 60
_SECOND_TITLE_PIXELS = 30
_PANEL_TITLE_SIZE = 13
_PANEL_TITLE_CHARACTERS = 24  # of a line of it: so many are narrower than a panel of a preview
_MOST_COLUMNS = 2  # of a preview; a page sets panels side by side as its width allows
_SMALL_FONT = 11
_MOST_WHOLE_TICKS = 10
_SPACES = (0.26, 0.28)  # shares of the width and of the height that lie between panels
_MOST_DECADES = 8
_LEAST_PANEL_HEIGHT = 80
_PLACES = 9  # decimals of such a share, so that 1 is 1
_ROOM_BESIDE_BARS = 1.14


def plotly_figure(spec: FigureSpec) -> InteractiveFigure:
    """Return the panels in a grid with one legend below them; a click there hides a line in all."""
    traces: list[dict[str, Any]] = []
    axes: dict[str, Any] = {}
    notes: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]] = []
    in_legend: set[str] = set()
    num_columns = min(spec.num_columns, _MOST_COLUMNS)
    num_rows = -(-len(spec.panels) // num_columns)
    for index, panel in enumerate(spec.panels):
        number = "" if index == 0 else str(index + 1)
        x, y = f"x{number}", f"y{number}"
        columns, rows = _domains(index, num_columns, num_rows)
        traces += [{**t, "xaxis": x, "yaxis": y} for t in panel_traces(panel, in_legend)]
        axes[f"xaxis{number}"] = {"anchor": y, "domain": columns, **_x_axis(panel)}
        axes[f"yaxis{number}"] = {"anchor": x, "domain": rows, **_y_axis(panel, x)}
        if spec.title and panel.title:  # a lone panel's title stands where the figure's would
            notes.append(_panel_title(panel.title, x, y))
        notes += [_text(text, x, y) for text in panel.texts]
        shapes += [_level_line(level, x, y, in_legend) for level in panel.levels]
    # Room for the labels above the legend, and for long names of bars. One axis asks for all:
    # plotly.js draws everything anew for each that does.
    below = num_columns * (num_rows - 1)
    axes[f"xaxis{'' if below == 0 else below + 1}"]["automargin"] = True
    if len(spec.panels) == 1:
        axes["yaxis"]["automargin"] = True
    layout = {**_outer_layout(spec, num_rows), **axes, "annotations": notes, "shapes": shapes}
    return InteractiveFigure(data=traces, layout=layout)


def _outer_layout(spec: FigureSpec, num_rows: int) -> dict[str, Any]:
    """Return what surrounds the panels."""
    title = spec.title or (spec.panels[0].title if len(spec.panels) == 1 else "")
    second = _SECOND_TITLE_PIXELS if spec.title and spec.panels[0].title else 0
    panels = spec.panel_inches[1] * num_rows * _PIXELS_PER_INCH
    bottom = _AXIS_PIXELS if any(panel.has_axes for panel in spec.panels) else _EDGE_PIXELS
    return {
        "title": {"text": title, "x": 0, "xref": "paper"},
        **PLAIN_LOOK,
        # What a page arranges the panels by.
        "meta": {"columns": spec.num_columns, "panel_height": _panel_height(spec)},
        "height": round(panels + second + _LEGEND_ROW_PIXELS * legend_shape(spec)[1], 6),
        # Plotly itself leaves room for a legend at the bottom of the figure.
        "margin": {"l": 70, "r": 20, "t": _TITLE_PIXELS + second, "b": bottom},
        "hovermode": "closest",
        "hoverlabel": {"align": "left"},
        "legend": LEGEND,
        "barmode": "stack",
    }


def _panel_height(spec: FigureSpec) -> int:
    """Return the pixels between the axes' ends of a panel."""
    around = _TITLE_PIXELS + _AXIS_PIXELS
    return max(round(spec.panel_inches[1] * _PIXELS_PER_INCH) - around, _LEAST_PANEL_HEIGHT)


def _domains(index: int, num_columns: int, num_rows: int) -> tuple[list[float], list[float]]:
    """Return from where to where a panel reaches, in shares of the figure's width and height."""
    row, column = divmod(index, num_columns)
    places = ((column, num_columns), (num_rows - 1 - row, num_rows))
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
        **ANY_AXIS,
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
            return layout | _decades(low, high)
        ticks = log_ticks(low, high)
        return layout | {"tickvals": ticks, "ticktext": [formatting.tick(tick) for tick in ticks]}
    if axis.is_integer:
        ends = [float(end) for values in data if len(values) for end in (min(values), max(values))]
        layout |= whole_ticks(max(ends) - min(ends) if ends else 0.0)
    return layout


def whole_ticks(span: float) -> dict[str, Any]:
    """Return ticks at whole numbers alone, however far a reader zooms in.

    Left alone, plotly would also mark halves, and write them as whole numbers.

    Args:
        span: Of the numbers along the axis.
    """
    ticks = round_ticks(0.0, max(span, 1.0), _MOST_WHOLE_TICKS)
    return {"tickformat": "d", "tick0": 0, "dtick": max(round(ticks[1] - ticks[0]), 1)}


def _decades(low: float, high: float) -> dict[str, Any]:
    """Return ticks at powers of ten, few enough to be read; plotly.js would write them larger."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = range(first, last + 1, -(-(last - first + 1) // _MOST_DECADES))
    texts = [_power(power) for power in powers]
    return {"tickvals": [float(f"1e{power}") for power in powers], "ticktext": texts}


def _power(power: int) -> str:
    return f"1{'0' * power}" if power in (0, 1) else f"10<sup>{formatting.tick(power)}</sup>"


def _panel_title(title: str, x: str, y: str) -> dict[str, Any]:
    return {
        "name": PANEL_TITLE,
        "text": "<br>".join(textwrap.wrap(title, _PANEL_TITLE_CHARACTERS)),
        "x": 0.5,
        "xref": f"{x} domain",
        "xanchor": "center",
        "y": 1,
        "yref": f"{y} domain",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"size": _PANEL_TITLE_SIZE},
    }


def _level_line(level: Level, x: str, y: str, in_legend: set[str]) -> dict[str, Any]:
    has_entry = level.text not in in_legend
    in_legend.add(level.text)
    return {
        "type": "line",
        "name": level.text,
        "legendgroup": level.text,
        "showlegend": has_entry,
        "xref": f"{x} domain",
        "x0": 0,
        "x1": 1,
        "yref": y,
        "y0": float(level.y),
        "y1": float(level.y),
        "line": {"color": GREY, "dash": "dash", "width": 1.5},
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
