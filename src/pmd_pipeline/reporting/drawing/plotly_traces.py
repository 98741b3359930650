"""What plotly.js calls traces: the lines, points, bands and bars of a panel."""

from typing import Any

import numpy as np

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.drawing.scales import SymlogScale
from pmd_pipeline.reporting.drawing.spec import Axis, Bars, ColourBar, Dash, Panel, Series
from pmd_pipeline.reporting.drawing.styles import (
    BAND_OPACITY,
    MOST_MARKED_POINTS,
    SCALE,
    red_green_blue,
)
from pmd_pipeline.reporting.drawing.thinning import thinned

PIXELS_PER_POINT = 4 / 3
COLOUR_SCALE = [[i / (len(SCALE) - 1), colour] for i, colour in enumerate(SCALE)]

_DASHES: dict[Dash, str] = {
    "none": "solid",
    "solid": "solid",
    "dash": "dash",
    "dashdot": "dashdot",
    "dot": "dot",
    "longdash": "longdash",
}
_DIGITS = 6  # significant ones of a position; a screen shows three, its reader is told four


def panel_traces(panel: Panel, in_legend: set[str]) -> list[dict[str, Any]]:
    """Return what a panel draws, bands first so that they cover no line; long lines are thinned.

    Args:
        panel: Of the figure.
        in_legend: The labels that the legend has already; grows by the panel's.
    """
    traces = [
        _band(series, panel)
        for series in map(thinned, panel.series)
        if series.low is not None and series.high is not None
    ]
    everything: tuple[Series | Bars, ...] = (*map(thinned, panel.series), *panel.bars)
    for drawn in everything:
        has_entry = drawn.label is not None and drawn.label not in in_legend
        if drawn.label is not None:
            in_legend.add(drawn.label)
        trace = _bars(drawn) if isinstance(drawn, Bars) else _line(drawn, panel)
        named = {} if drawn.label is None else {"name": drawn.label, "legendgroup": drawn.label}
        traces.append({**trace, **named, "showlegend": has_entry})
    if panel.colour_bar is not None:
        traces.append(_colour_bar(panel.colour_bar))
    return traces


def numbers(values: np.ndarray) -> list[float | int | None]:
    """Return numbers as JSON holds them: six significant digits, None where there is none."""
    if np.issubdtype(values.dtype, np.integer):
        return [int(value) for value in values]
    known = np.isfinite(values)
    return [
        float(f"{value:.{_DIGITS}g}") if is_known else None
        for value, is_known in zip(values.tolist(), known.tolist(), strict=True)
    ]


def positions(values: np.ndarray, axis: Axis) -> np.ndarray:
    """Return where values stand on an axis, in what plotly.js counts along it."""
    return axis.scale.forward(values) if isinstance(axis.scale, SymlogScale) else values


def _line(series: Series, panel: Panel) -> dict[str, Any]:
    is_crowded = series.dash != "none" and len(series.x) > MOST_MARKED_POINTS
    has_markers = series.marker != "none" and not is_crowded
    has_line = series.dash != "none"
    trace: dict[str, Any] = {
        "type": "scatter",
        "x": numbers(positions(series.x, panel.x)),
        "y": numbers(positions(series.y, panel.y)),
        "mode": "+".join(["lines"] * has_line + ["markers"] * has_markers),
        "opacity": series.opacity,
        **_hover(series, panel),
    }
    if has_line:
        trace["line"] = {
            "color": series.colour,
            "dash": _DASHES[series.dash],
            "width": PIXELS_PER_POINT * series.width,
            "shape": "hv" if series.is_step else "linear",
        }
    if has_markers:
        trace["marker"] = {
            "color": series.colour,
            "size": PIXELS_PER_POINT * series.size,
            "symbol": f"{series.marker}-open" if series.is_hollow else series.marker,
        }
    return trace


def _hover(series: Series, panel: Panel) -> dict[str, Any]:
    """Return what pointing at a line says; positions on a scale of ours are no values."""
    if series.hover is not None:
        if not series.hover:
            return {"hoverinfo": "skip"}
        texts = [text.replace("\n", "<br>") for text in series.hover]
        return {"text": texts, "hovertemplate": "%{text}<extra></extra>"}
    name = "" if series.label is None else f"{series.label}, "
    x = "%{x:d}" if panel.x.is_integer else "%{x:.4~g}"
    begin = f"{name}{panel.x.label} {x}: "
    if series.low is None and not isinstance(panel.y.scale, SymlogScale):
        return {"hovertemplate": f"{begin}%{{y:.4~g}}<extra></extra>"}
    said = [
        f"{formatting.short_number(y)} {interval}".strip()
        for y, interval in zip(series.y.tolist(), _intervals(series), strict=True)
    ]
    return {"customdata": said, "hovertemplate": f"{begin}%{{customdata}}<extra></extra>"}


def _intervals(series: Series) -> list[str]:
    if series.low is None or series.high is None:
        return [""] * len(series.x)
    ends = zip(series.low, series.high, strict=True)
    return [formatting.interval(low, high) for low, high in ends]


def _band(series: Series, panel: Panel) -> dict[str, Any]:
    assert series.low is not None
    assert series.high is not None
    known = np.isfinite(series.low) & np.isfinite(series.high)
    x = positions(series.x[known], panel.x)
    low, high = (positions(edge[known], panel.y) for edge in (series.low, series.high))
    red, green, blue = red_green_blue(series.colour)
    named = {} if series.label is None else {"name": series.label, "legendgroup": series.label}
    return {
        "type": "scatter",
        "x": numbers(np.concatenate([x, x[::-1]])),
        "y": numbers(np.concatenate([high, low[::-1]])),
        "mode": "lines",
        "line": {"width": 0, "color": series.colour},
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},{BAND_OPACITY})",
        "hoverinfo": "skip",
        "showlegend": False,
        **named,
    }


def _bars(bars: Bars) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": numbers(bars.lengths),
        "y": list(bars.names),
        "orientation": "h",
        "marker": {"color": bars.colour, "line": {"color": "white", "width": 0.5}},
        "text": list(bars.hover),
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
    }


def _colour_bar(bar: ColourBar) -> dict[str, Any]:
    """Return a point that is nowhere, as only a trace can have a colour bar."""
    return {
        "type": "scatter",
        "x": [None],
        "y": [None],
        "mode": "markers",
        "marker": {
            "colorscale": COLOUR_SCALE,
            "cmin": 0,
            "cmax": 1,
            "color": [0],
            "showscale": True,
            "colorbar": {
                "title": {"text": bar.title},
                "outlinewidth": 0,
                "tickvals": [place for place, _ in bar.ticks],
                "ticktext": [text for _, text in bar.ticks],
            },
        },
        "showlegend": False,
        "hoverinfo": "skip",
    }
