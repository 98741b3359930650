"""Figures drawn by plotly, for kedro-viz, MLflow and the report."""

import math
from collections.abc import Iterable

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.drawing.scales import FEW_DECADES, SymlogScale, log_ticks
from pmd_pipeline.reporting.drawing.spec import (
    Axis,
    Bars,
    ColourBar,
    Dash,
    FigureSpec,
    Panel,
    Series,
    Text,
    legend_shape,
)
from pmd_pipeline.reporting.drawing.styles import (
    BAND_OPACITY,
    GREY,
    MOST_MARKED_POINTS,
    SCALE,
    red_green_blue,
)

TEMPLATE = "plotly_white"
COLOUR_SCALE = [[i / (len(SCALE) - 1), colour] for i, colour in enumerate(SCALE)]
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

_DASHES: dict[Dash, str] = {
    "none": "solid",
    "solid": "solid",
    "dash": "dash",
    "dashdot": "dashdot",
    "dot": "dot",
    "longdash": "longdash",
}
_PIXELS_PER_INCH = 115
_PIXELS_PER_POINT = 4 / 3
_LEGEND_ROW_PIXELS = 26
_AXIS_PIXELS = 55
_EDGE_PIXELS = 20
_TITLE_PIXELS = 60
_SECOND_TITLE_PIXELS = 30
_PANEL_TITLE_SIZE = 14
_SMALL_FONT = 11
_LEVEL_SHIFT = 6  # of a level's name below it, so that no point at that level covers the name
_MOST_STEPS_WITH_A_TICK_EACH = 10


def plotly_figure(spec: FigureSpec) -> go.Figure:
    """Return the panels in a grid with one legend below them; a click there hides a line in all."""
    only = spec.panels[0] if len(spec.panels) == 1 else None
    figure = make_subplots(
        rows=spec.num_rows,
        cols=spec.num_columns,
        # A lone panel's title stands where the figure's would.
        subplot_titles=[panel.title for panel in spec.panels] if spec.title else None,
        horizontal_spacing=0.26 / spec.num_columns,
        vertical_spacing=0.28 / spec.num_rows,
    )
    figure.update_annotations(font_size=_PANEL_TITLE_SIZE)
    in_legend: set[str] = set()
    for index, panel in enumerate(spec.panels):
        row, column = divmod(index, spec.num_columns)
        _add_panel(figure, panel, {"row": row + 1, "col": column + 1}, in_legend)
    title = spec.title if only is None else spec.title or only.title
    panels = spec.panel_inches[1] * spec.num_rows * _PIXELS_PER_INCH
    second = _SECOND_TITLE_PIXELS if spec.title and spec.panels[0].title else 0
    bottom = _AXIS_PIXELS if any(panel.has_axes for panel in spec.panels) else _EDGE_PIXELS
    figure.update_layout(
        template=TEMPLATE,
        title={"text": title, "x": 0, "xref": "paper"},
        height=panels + second + _LEGEND_ROW_PIXELS * legend_shape(spec)[1],
        # Plotly itself leaves room for a legend at the bottom of the figure.
        margin={"l": 70, "r": 20, "t": _TITLE_PIXELS + second, "b": bottom},
        hovermode="closest",
        legend=LEGEND,
        barmode="stack",
    )
    return figure


def _add_panel(figure: go.Figure, panel: Panel, cell: dict[str, int], in_legend: set[str]) -> None:
    """Draw one panel; the labels that the legend has already grow by the panel's."""
    for series in panel.series:
        if series.low is not None and series.high is not None:
            figure.add_trace(_band(series, panel), **cell)
    everything: tuple[Series | Bars, ...] = (*panel.series, *panel.bars)
    for drawn in everything:
        has_entry = drawn.label is not None and drawn.label not in in_legend
        if drawn.label is not None:
            in_legend.add(drawn.label)
        trace = _bars(drawn) if isinstance(drawn, Bars) else _line(drawn, panel)
        figure.add_trace(trace.update(showlegend=has_entry), **cell)
    if panel.colour_bar is not None:
        figure.add_trace(_colour_bar(panel.colour_bar), **cell)
    for level in panel.levels:
        figure.add_hline(
            y=level.y,
            line={"color": GREY, "dash": "dash", "width": 1.5},
            annotation_text=level.text,
            annotation_position="bottom right",
            annotation_font_color=GREY,
            annotation_yshift=-_LEVEL_SHIFT,
            **cell,
        )
    for text in panel.texts:
        _add_text(figure, text, cell)
    if not panel.has_axes:
        for update, axis in ((figure.update_xaxes, panel.x), (figure.update_yaxes, panel.y)):
            update(visible=False, range=axis.range, **cell)
    else:
        figure.update_xaxes(**_axis(panel.x, [s.x for s in panel.series]), **cell)
        figure.update_yaxes(**_axis(panel.y, [s.y for s in panel.series]), **cell)
    if panel.bars:
        # The first on top, as one reads; room on the right for what is written beside them.
        longest = sum((bars.lengths for bars in panel.bars), np.zeros(1)).max()
        figure.update_yaxes(autorange="reversed", automargin=True, ticksuffix=" ", **cell)
        figure.update_xaxes(range=[0, 1.14 * float(longest)], **cell)
    if panel.has_equal_scales:
        # Each subplot's own x axis, or all would share the first one's scale.
        anchor = next(figure.select_xaxes(**cell)).plotly_name.replace("axis", "")
        figure.update_xaxes(constrain="domain", **cell)
        figure.update_yaxes(scaleanchor=anchor, constrain="domain", **cell)


def _line(series: Series, panel: Panel) -> go.Scatter:
    is_crowded = series.dash != "none" and len(series.x) > MOST_MARKED_POINTS
    has_markers = series.marker != "none" and not is_crowded
    parts = ["lines"] * (series.dash != "none") + ["markers"] * has_markers
    return go.Scatter(
        name=series.label,
        x=_positions(series.x, panel.x),
        y=_positions(series.y, panel.y),
        mode="+".join(parts),
        line={
            "color": series.colour,
            "dash": _DASHES[series.dash],
            "width": _PIXELS_PER_POINT * series.width,
            "shape": "hv" if series.is_step else "linear",
        },
        marker={
            "color": series.colour,
            "size": _PIXELS_PER_POINT * series.size,
            "symbol": "circle" if series.marker == "none" else _symbol(series),
        },
        opacity=series.opacity,
        **_hover(series, panel),
        legendgroup=series.label,
    )


def _symbol(series: Series) -> str:
    return f"{series.marker}-open" if series.is_hollow else series.marker


def _hover(series: Series, panel: Panel) -> dict[str, object]:
    """Return what pointing at a line says; positions on a scale of ours are no values."""
    if series.hover is not None:
        if not series.hover:
            return {"hoverinfo": "skip"}
        texts = [text.replace("\n", "<br>") for text in series.hover]
        return {"text": texts, "hovertemplate": "%{text}<extra></extra>"}
    name = "" if series.label is None else f"{series.label}, "
    return {
        "customdata": [
            [_shown(x, panel.x), f"{formatting.short_number(y)} {interval}".strip()]
            for x, y, interval in zip(series.x, series.y, _intervals(series), strict=True)
        ],
        "hovertemplate": f"{name}{panel.x.label} %{{customdata[0]}}: %{{customdata[1]}}"
        "<extra></extra>",
    }


def _shown(x: float, axis: Axis) -> str:
    return f"{x:.0f}" if axis.is_integer else formatting.short_number(x)


def _intervals(series: Series) -> list[str]:
    if series.low is None or series.high is None:
        return [""] * len(series.x)
    ends = zip(series.low, series.high, strict=True)
    return [formatting.interval(low, high) for low, high in ends]


def _band(series: Series, panel: Panel) -> go.Scatter:
    assert series.low is not None
    assert series.high is not None
    known = np.isfinite(series.low) & np.isfinite(series.high)
    x = _positions(series.x[known], panel.x)
    low, high = (_positions(edge[known], panel.y) for edge in (series.low, series.high))
    red, green, blue = red_green_blue(series.colour)
    return go.Scatter(
        name=series.label,
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        mode="lines",
        line={"width": 0, "color": series.colour},
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},{BAND_OPACITY})",
        hoverinfo="skip",
        legendgroup=series.label,
        showlegend=False,
    )


def _bars(bars: Bars) -> go.Bar:
    return go.Bar(
        name=bars.label,
        x=bars.lengths,
        y=list(bars.names),
        orientation="h",
        marker={"color": bars.colour},
        text=list(bars.hover),
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
        legendgroup=bars.label,
    )


def _colour_bar(bar: ColourBar) -> go.Scatter:
    """Return a point that is nowhere, as only a trace can have a colour bar."""
    return go.Scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={
            "colorscale": COLOUR_SCALE,
            "cmin": 0,
            "cmax": 1,
            "color": [0],
            "showscale": True,
            "colorbar": {
                "title": bar.title,
                "tickvals": [place for place, _ in bar.ticks],
                "ticktext": [text for _, text in bar.ticks],
            },
        },
        showlegend=False,
        hoverinfo="skip",
    )


def _add_text(figure: go.Figure, text: Text, cell: dict[str, int]) -> None:
    figure.add_annotation(
        x=text.x,
        y=text.y,
        text=text.text.replace("\n", "<br>"),
        showarrow=False,
        xanchor=text.align,
        xshift=_PIXELS_PER_POINT * text.shift,
        font_size=_SMALL_FONT,
        bgcolor="rgba(255,255,255,0.7)" if text.has_ground else None,
        **cell,
    )


def _positions(values: np.ndarray, axis: Axis) -> np.ndarray:
    return axis.scale.forward(values) if isinstance(axis.scale, SymlogScale) else values


def _axis(axis: Axis, data: Iterable[np.ndarray]) -> dict[str, object]:
    layout: dict[str, object] = {
        "title_text": axis.label,
        "title_standoff": 8,
        "range": axis.range,
        "zeroline": False,
    }
    if isinstance(axis.scale, SymlogScale):
        values = np.concatenate([*data, np.zeros(1)])
        low, high = axis.range or (np.nanmin(values), np.nanmax(values))
        ticks = axis.scale.ticks(low, high)
        return layout | {
            "range": axis.scale.forward(np.array([low, high])).tolist(),
            "tickvals": axis.scale.forward(np.array(ticks)).tolist(),
            "ticktext": [formatting.tick(tick) for tick in ticks],
        }
    if axis.scale == "log":
        # Plotly wants the range of a logarithmic axis as powers of ten.
        ends = None if axis.range is None else [math.log10(end) for end in axis.range]
        layout |= {"type": "log", "range": ends}
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
