"""Theory figures drawn by matplotlib, for papers."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from pmd_pipeline.reporting.drawing.spec import FigureSpec, Panel, legend_rows

_DASHES = {"solid": "-", "dashed": "--", "dotted": ":", "none": "none"}
_MARKERS = {
    "none": "none",
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "star": "*",
    "triangle": "^",
}
_DOTS_PER_INCH = 150
_BAND_OPACITY = 0.13
_LEGEND_ROW_INCHES = 0.25
_TITLE_INCHES = 0.35


def matplotlib_figure(spec: FigureSpec) -> Figure:
    """Return the panels in a grid with one legend below them."""
    per_row, num_rows = legend_rows(spec)
    width = spec.panel_inches[0] * spec.num_columns
    height = spec.panel_inches[1] * spec.num_rows + _LEGEND_ROW_INCHES * num_rows + _TITLE_INCHES
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout=layout)
    figure.suptitle(spec.title, fontweight="bold")
    all_axes = figure.subplots(spec.num_rows, spec.num_columns, squeeze=False).ravel()
    handles: dict[str, Line2D] = {}
    for panel, axes in zip(spec.panels, all_axes, strict=False):
        for label, line in _draw_panel(panel, axes).items():
            handles.setdefault(label, line)
    for axes in all_axes[len(spec.panels) :]:
        axes.set_axis_off()
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=per_row,
        frameon=False,
        fontsize=9,
    )
    return figure


def _draw_panel(panel: Panel, axes: Axes) -> dict[str, Line2D]:
    """Draw one panel and return its legend handles by label."""
    handles: dict[str, Line2D] = {}
    for curve in panel.curves:
        if curve.low is not None and curve.high is not None:
            axes.fill_between(
                curve.x, curve.low, curve.high, color=curve.colour, alpha=_BAND_OPACITY, lw=0
            )
        (line,) = axes.plot(
            curve.x,
            curve.y,
            color=curve.colour,
            linestyle=_DASHES[curve.dash],
            marker=_MARKERS[curve.marker],
            markersize=curve.size,
            linewidth=1.6,
            alpha=curve.opacity,
            markeredgewidth=0.5,
        )
        if curve.label is not None:
            handles.setdefault(curve.label, line)
    for text in panel.texts:
        axes.text(text.x, text.y, text.text, ha=text.align, va="center", fontsize=9)
    axes.set_title(panel.title, loc="left", fontsize=11, fontweight="bold")
    if panel.log_y:
        axes.set_yscale("log")
    if panel.x_range is not None:
        axes.set_xlim(panel.x_range)
    if panel.y_range is not None:
        axes.set_ylim(panel.y_range)
    if panel.is_diagram:
        axes.set_aspect("equal")
        axes.set_axis_off()
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=panel.integer_x))
        axes.set_xlabel(panel.x_label)
        axes.set_ylabel(panel.y_label)
        axes.grid(visible=True, color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return handles
