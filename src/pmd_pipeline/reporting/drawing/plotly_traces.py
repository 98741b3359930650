"""What plotly.js calls traces: the lines, points, bands and bars of a panel."""

from collections.abc import Sequence
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
        traces.append({**trace, **_named(drawn), "showlegend": has_entry})
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


def _named(drawn: Series | Bars) -> dict[str, str]:
    """Return what a click on the legend knows a trace by."""
    group = drawn.group if isinstance(drawn, Series) and drawn.group else drawn.label
    named = {} if drawn.label is None else {"name": drawn.label}
    return named if group is None else {**named, "legendgroup": group}


def _line(series: Series, panel: Panel) -> dict[str, Any]:
    is_crowded = series.dash != "none" and len(series.x) > MOST_MARKED_POINTS
    has_markers = series.marker != "none" and not is_crowded
    has_line = series.dash != "none"
    trace: dict[str, Any] = {
        "type": "scatter",
        "x": _broken(numbers(positions(series.x, panel.x)), series),
        "y": _broken(numbers(positions(series.y, panel.y)), series),
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
    called = series.name or series.label
    begin = "" if called is None else f"{called}, "
    place = f"{panel.x.label} {'%{x:d}' if panel.x.is_integer else '%{x:.4~g}'}: "
    has_plain_values = series.low is None and not isinstance(panel.y.scale, SymlogScale)
    if series.strands is not None:
        return _hover_of_strands(series, f"{begin}{series.strand_name} ", place, has_plain_values)
    if has_plain_values:
        return {"hovertemplate": f"{begin}{place}%{{y:.4~g}}<extra></extra>"}
    template = f"{begin}{place}%{{customdata}}<extra></extra>"
    return {"customdata": _said(series), "hovertemplate": template}


def _hover_of_strands(
    series: Series, begin: str, place: str, has_plain_values: bool
) -> dict[str, Any]:
    assert series.strands is not None
    strands = series.strands.tolist()
    if has_plain_values:
        template = f"{begin}%{{customdata}}, {place}%{{y:.4~g}}<extra></extra>"
        return {"customdata": _broken(strands, series), "hovertemplate": template}
    pairs = [list(pair) for pair in zip(strands, _said(series), strict=True)]
    template = f"{begin}%{{customdata[0]}}, {place}%{{customdata[1]}}<extra></extra>"
    return {"customdata": _broken(pairs, series), "hovertemplate": template}


def _said(series: Series) -> list[str]:
    """Return each value in words, with its interval."""
    return [
        f"{formatting.short_number(y)} {interval}".strip()
        for y, interval in zip(series.y.tolist(), _intervals(series), strict=True)
    ]


def _broken(values: list[Any], series: Series) -> list[Any]:
    """Return what belongs to the points with a gap where a new strand begins."""
    breaks = set(series.breaks.tolist())
    return [part for i, value in enumerate(values) for part in ([None] * (i in breaks) + [value])]


def _intervals(series: Series) -> list[str]:
    if series.low is None or series.high is None:
        return [""] * len(series.x)
    # To as many digits as the value: three decimals would make a KL's a row of zeros.
    ends = zip(series.low.tolist(), series.high.tolist(), strict=True)
    return [
        f"[{formatting.short_number(low)}, {formatting.short_number(high)}]"
        if np.isfinite([low, high]).all()
        else ""
        for low, high in ends
    ]


def _band(series: Series, panel: Panel) -> dict[str, Any]:
    assert series.low is not None
    assert series.high is not None
    x = positions(series.x, panel.x)
    low, high = (positions(edge, panel.y) for edge in (series.low, series.high))
    known = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    # A gap in the line is one in its band: an outline on either side.
    runs = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1)
    around = [np.concatenate([x[run], x[run[::-1]]]) for run in runs]
    edges = [np.concatenate([high[run], low[run[::-1]]]) for run in runs]
    red, green, blue = red_green_blue(series.colour)
    return {
        "type": "scatter",
        "x": _with_gaps_between(around),
        "y": _with_gaps_between(edges),
        "mode": "lines",
        "line": {"width": 0, "color": series.colour},
        "fill": "toself",
        "fillcolor": f"rgba({red},{green},{blue},{BAND_OPACITY})",
        "hoverinfo": "skip",
        "showlegend": False,
        **_named(series),
    }


def _with_gaps_between(parts: Sequence[np.ndarray]) -> list[float | int | None]:
    first, *others = map(numbers, parts)
    return [*first, *(value for part in others for value in [None, *part])]


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
