"""Theory figures drawn by plotly, for kedro-viz and the report."""

import math

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pmd_pipeline.reporting.drawing.spec import Curve, FigureSpec, Panel, legend_rows

_DASHES = {"solid": "solid", "dashed": "dash", "dotted": "dot", "none": "solid"}
_MARKERS = {
    "none": "circle",
    "circle": "circle",
    "square": "square",
    "diamond": "diamond",
    "star": "star",
    "triangle": "triangle-up",
}
_PIXELS_PER_INCH = 100
_BAND_OPACITY = 0.13
_LEGEND_ROW_PIXELS = 26
_AXIS_PIXELS = 60
_PANEL_TITLE_SIZE = 14
_TOP_PIXELS = 75
_MOST_STEPS_WITH_A_TICK_EACH = 8


def plotly_figure(spec: FigureSpec) -> go.Figure:
    """Return the panels in a grid with one legend below them."""
    _, num_legend_rows = legend_rows(spec)
    bottom = _AXIS_PIXELS + _LEGEND_ROW_PIXELS * num_legend_rows
    drawing = spec.panel_inches[1] * spec.num_rows * _PIXELS_PER_INCH
    figure = make_subplots(
        rows=spec.num_rows,
        cols=spec.num_columns,
        subplot_titles=[panel.title for panel in spec.panels],
        horizontal_spacing=0.26 / spec.num_columns,
        vertical_spacing=0.28 / spec.num_rows,
    )
    figure.update_annotations(font_size=_PANEL_TITLE_SIZE)
    shown: set[str] = set()
    for index, panel in enumerate(spec.panels):
        row, column = divmod(index, spec.num_columns)
        cell = {"row": row + 1, "col": column + 1}
        for curve in panel.curves:
            _add_traces(figure, curve, cell, is_first=curve.label not in shown)
            if curve.label is not None:
                shown.add(curve.label)
        for text in panel.texts:
            figure.add_annotation(
                x=text.x, y=text.y, text=text.text, showarrow=False, xanchor=text.align, **cell
            )
        _set_axes(figure, panel, cell)
    figure.update_layout(
        title={"text": spec.title, "x": 0.5, "y": 0.985, "yanchor": "top"},
        template="plotly_white",
        height=drawing + _TOP_PIXELS + bottom,
        margin={"l": 70, "r": 30, "t": _TOP_PIXELS, "b": bottom},
        legend={
            "orientation": "h",
            "x": 0.5,
            "xanchor": "center",
            "y": -_AXIS_PIXELS / drawing,
            "yanchor": "top",
        },
    )
    return figure


def _add_traces(figure: go.Figure, curve: Curve, cell: dict[str, int], *, is_first: bool) -> None:
    """Add a curve, and its band before it."""
    group = {"legendgroup": curve.label} if curve.label is not None else {}
    if curve.low is not None and curve.high is not None:
        red, green, blue = (int(curve.colour[i : i + 2], 16) for i in (1, 3, 5))
        figure.add_trace(
            go.Scatter(
                x=[*curve.x, *reversed(curve.x)],
                y=[*curve.high, *reversed(curve.low)],
                fill="toself",
                fillcolor=f"rgba({red},{green},{blue},{_BAND_OPACITY})",
                line={"width": 0},
                hoverinfo="skip",
                showlegend=False,
                **group,
            ),
            **cell,
        )
    has_line, has_marker = curve.dash != "none", curve.marker != "none"
    mode = "+".join(["lines"] * has_line + ["markers"] * has_marker)
    figure.add_trace(
        go.Scatter(
            x=list(curve.x),
            y=list(curve.y),
            mode=mode,
            name=curve.label,
            line={"color": curve.colour, "dash": _DASHES[curve.dash], "width": 2},
            marker={
                "color": curve.colour,
                "size": curve.size + 2,
                "symbol": _MARKERS[curve.marker],
            },
            opacity=curve.opacity,
            showlegend=is_first and curve.label is not None,
            **group,
        ),
        **cell,
    )


def _set_axes(figure: go.Figure, panel: Panel, cell: dict[str, int]) -> None:
    x_range = None if panel.x_range is None else list(panel.x_range)
    y_range = None if panel.y_range is None else list(panel.y_range)
    if panel.is_diagram:
        figure.update_xaxes(visible=False, range=x_range, constrain="domain", **cell)
        # Each subplot's own x axis, or all diagrams would share the first one's scale.
        anchor = next(figure.select_xaxes(**cell)).plotly_name.replace("axis", "")
        figure.update_yaxes(
            visible=False, range=y_range, scaleanchor=anchor, constrain="domain", **cell
        )
        return
    figure.update_xaxes(title_text=panel.x_label, title_standoff=8, range=x_range, **cell)
    if panel.integer_x:
        ends = [x for curve in panel.curves for x in curve.x]
        is_short = max(ends) - min(ends) <= _MOST_STEPS_WITH_A_TICK_EACH
        # Left alone, plotly would also mark halves, and write them as whole numbers.
        ticks = {"dtick": 1} if is_short else {"nticks": 7}
        figure.update_xaxes(tickformat="d", **ticks, **cell)
    if panel.log_y:
        # Plotly wants the range of a logarithmic axis as powers of ten.
        powers = None if y_range is None else [math.log10(end) for end in y_range]
        scale = {"type": "log", "exponentformat": "power", "dtick": 1, "range": powers}
    else:
        scale = {"range": y_range}
    figure.update_yaxes(title_text=panel.y_label, title_standoff=8, **scale, **cell)
