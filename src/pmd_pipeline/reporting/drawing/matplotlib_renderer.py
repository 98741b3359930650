"""Figures drawn by matplotlib, for files and for paper."""

from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis as MatplotlibAxis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullFormatter, NullLocator

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.drawing.grid_layout import GridLayout
from pmd_pipeline.reporting.drawing.scales import FEW_DECADES, SymlogScale, log_ticks
from pmd_pipeline.reporting.drawing.spec import (
    Axis,
    Bars,
    ColourBar,
    Dash,
    FigureSpec,
    Level,
    Marker,
    Panel,
    Series,
    Text,
    legend_shape,
)
from pmd_pipeline.reporting.drawing.styles import BAND_OPACITY, GREY, MOST_MARKED_POINTS, SCALE

_DASHES: dict[Dash, Literal["none", "solid"] | tuple[float, tuple[float, ...]]] = {
    "none": "none",
    "solid": "solid",
    "dash": (0, (5, 2)),
    "dashdot": (0, (5, 2, 1.5, 2)),
    "dot": (0, (1.5, 1.5)),
    "longdash": (0, (9, 3)),
}
_MARKERS: dict[Marker, str] = {
    "none": "none",
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "x": "X",
    "triangle-down": "v",
    "star": "*",
    "cross": "P",
}
_DOTS_PER_INCH = 150
_LEGEND_ROW_INCHES = 0.27  # of the figure, for a row of the legend
_LEGEND_LINE_INCHES = 0.19  # what such a row itself takes
_TITLE_INCHES = 0.35
_EDGE_INCHES = 0.08
_COLOUR_BAR = (1.04, 0.0, 0.045, 1.0)  # left, bottom, width, height in shares of its panel
_WIDE_PANEL_INCHES = 5.0
_SMALL_FONT = 9
_LEVEL_LOOK: dict[str, Any] = {"color": GREY, "linestyle": _DASHES["dash"], "linewidth": 1.2}
_TICK_STEPS = (1, 2, 5, 10)


def matplotlib_figure(spec: FigureSpec) -> Figure:
    """Return the panels in a grid with one legend below them; nothing is kept in pyplot."""
    per_row, num_legend_rows = legend_shape(spec)
    legend = num_legend_rows and 2 * _EDGE_INCHES + _LEGEND_LINE_INCHES * num_legend_rows
    title = _TITLE_INCHES * bool(spec.title)
    height = spec.panel_inches[1] * spec.num_rows + _LEGEND_ROW_INCHES * num_legend_rows + title
    figure = Figure(figsize=(spec.width_inches, height), dpi=_DOTS_PER_INCH)
    all_axes = figure.subplots(spec.num_rows, spec.num_columns, squeeze=False).ravel()
    for panel, axes in zip(spec.panels, all_axes, strict=False):
        _draw_panel(axes, panel, is_wide=spec.panel_inches[0] >= _WIDE_PANEL_INCHES)
        if panel.colour_bar is not None:
            _add_colour_bar(axes, panel.colour_bar)
    for axes in all_axes[len(spec.panels) :]:
        axes.set_axis_off()
    figure.set_layout_engine(
        GridLayout(
            list(all_axes), num_columns=spec.num_columns, inches_above=title, inches_below=legend
        )
    )
    if num_legend_rows:
        figure.legend(
            handles=[_legend_handle(label, drawn) for label, drawn in spec.legend.items()],
            loc="lower center",
            borderaxespad=0.3,
            ncols=per_row,
            frameon=False,
            fontsize=_SMALL_FONT,
            handlelength=3.2,
        )
    if spec.title:
        figure.suptitle(spec.title, y=1.0 - _EDGE_INCHES / height, fontweight="bold")
    return figure


def _draw_panel(axes: Axes, panel: Panel, *, is_wide: bool) -> None:
    for series in panel.series:
        if series.low is not None and series.high is not None:
            axes.fill_between(
                series.x,
                series.low,
                series.high,
                color=series.colour,
                alpha=BAND_OPACITY,
                linewidth=0,
            )
    for series in panel.series:
        _draw_series(axes, series)
    _draw_bars(axes, panel.bars)
    for level in panel.levels:
        _draw_level(axes, level)
    for text in panel.texts:
        _draw_text(axes, text)
    # At a given height, or matplotlib would measure the ticks for it at every step.
    axes.set_title(panel.title, loc="left", y=1.0, fontsize=11, fontweight="bold")
    if panel.has_equal_scales:
        axes.set_aspect("equal")
    if not panel.has_axes:
        axes.set_xlim(panel.x.range)
        axes.set_ylim(panel.y.range)
        axes.set_axis_off()
        return
    # After the data, as they decide an axis without a range.
    most_ticks = 8 if is_wide else 6
    _set_scale(axes, axes.xaxis, panel.x, most_ticks=most_ticks)
    if not panel.bars:
        _set_scale(axes, axes.yaxis, panel.y, most_ticks=most_ticks)
    axes.set_xlabel(panel.x.label)
    axes.set_ylabel(panel.y.label)
    if not panel.bars:
        axes.grid(visible=True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_series(axes: Axes, series: Series) -> None:
    is_crowded = series.dash != "none" and len(series.x) > MOST_MARKED_POINTS
    x, y = (_broken(values, series.breaks) for values in (series.x, series.y))
    axes.plot(
        x,
        y,
        label=series.label,
        color=series.colour,
        linestyle=_DASHES[series.dash],
        marker="none" if is_crowded else _MARKERS[series.marker],
        markersize=series.size,
        markerfacecolor="none" if series.is_hollow else series.colour,
        markeredgewidth=1.0 if series.is_hollow else 0.5,
        linewidth=series.width,
        alpha=series.opacity,
        drawstyle="steps-post" if series.is_step else "default",
    )


def _broken(values: np.ndarray, breaks: np.ndarray) -> np.ndarray:
    """Return values with a gap where a new strand begins."""
    return np.insert(values.astype(float), breaks, np.nan) if len(breaks) else values


def _draw_bars(axes: Axes, all_bars: tuple[Bars, ...]) -> None:
    if not all_bars:
        return
    left = np.zeros(len(all_bars[0].names))
    for bars in all_bars:
        axes.barh(bars.names, bars.lengths, left=left, color=bars.colour, label=bars.label)
        left = left + bars.lengths
    axes.invert_yaxis()  # the first on top, as one reads
    axes.margins(x=0.14)  # for what is written beside them
    axes.set_xlim(left=0)


def _draw_level(axes: Axes, level: Level) -> None:
    axes.axhline(level.y, **_LEVEL_LOOK)


def _draw_text(axes: Axes, text: Text) -> None:
    ground = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}
    axes.annotate(
        text.text,
        (text.x, text.y),
        xytext=(text.shift, 0),
        textcoords="offset points",
        ha=text.align,
        va="center",
        fontsize=_SMALL_FONT,
        bbox=ground if text.has_ground else None,
    )


def _set_scale(axes: Axes, drawn: MatplotlibAxis, axis: Axis, *, most_ticks: int) -> None:
    is_x = drawn is axes.xaxis
    set_scale, set_limits = (
        (axes.set_xscale, axes.set_xlim) if is_x else (axes.set_yscale, axes.set_ylim)
    )
    if isinstance(axis.scale, SymlogScale):
        low, high = axis.range or (axes.get_xlim() if is_x else axes.get_ylim())
        ticks = axis.scale.ticks(low, high)
        set_scale("function", functions=(axis.scale.forward, axis.scale.inverse))
        drawn.set_major_locator(FixedLocator(ticks))
        drawn.set_minor_locator(NullLocator())
        drawn.set_major_formatter(FixedFormatter([formatting.tick(tick) for tick in ticks]))
    elif axis.scale == "log":
        set_scale("log")
        drawn.set_minor_formatter(NullFormatter())
        low, high = axis.range or (axes.get_xlim() if is_x else axes.get_ylim())
        if high < FEW_DECADES * low and not axis.ticks:
            ticks = log_ticks(low, high)
            drawn.set_major_locator(FixedLocator(ticks))
            drawn.set_major_formatter(FixedFormatter([formatting.tick(tick) for tick in ticks]))
    elif (is_x or axis.is_integer) and not axis.ticks:
        drawn.set_major_locator(
            MaxNLocator(nbins=most_ticks, steps=_TICK_STEPS, integer=axis.is_integer)
        )
    if axis.ticks:
        drawn.set_major_locator(FixedLocator([place for place, _ in axis.ticks]))
        drawn.set_minor_locator(NullLocator())
        drawn.set_major_formatter(FixedFormatter([name for _, name in axis.ticks]))
    if axis.range is not None:
        set_limits(*axis.range)


def _add_colour_bar(axes: Axes, bar: ColourBar) -> None:
    colours = LinearSegmentedColormap.from_list("scale", SCALE)
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    beside = axes.inset_axes(_COLOUR_BAR)
    drawn = figure.colorbar(ScalarMappable(cmap=colours), cax=beside)
    drawn.set_ticks([place for place, _ in bar.ticks], labels=[text for _, text in bar.ticks])
    drawn.set_label(bar.title)


def _legend_handle(label: str, drawn: Series | Bars | Level) -> Artist:
    if isinstance(drawn, Bars):
        return Patch(color=drawn.colour, label=label)
    if isinstance(drawn, Level):
        return Line2D([], [], label=label, **_LEVEL_LOOK)
    return Line2D(
        [],
        [],
        label=label,
        color=drawn.colour,
        linestyle=_DASHES[drawn.dash],
        marker=_MARKERS[drawn.marker],
        markersize=drawn.size + 1,
        markerfacecolor="none" if drawn.is_hollow else drawn.colour,
        linewidth=drawn.width,
        alpha=drawn.opacity,
    )
