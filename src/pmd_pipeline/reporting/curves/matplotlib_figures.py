"""Still figures, for files and for paper."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.curves.panels import X_LABEL, Panel, Series
from pmd_pipeline.reporting.drawing.styles import KIND_COLOURS, MOST_MARKED_ROUNDS
from pmd_pipeline.reporting.run_page.stage_times import stacked_times

_DPI = 150
_PANEL_INCHES = (4.0, 3.0)
_LEGEND_INCHES_PER_ROW = 0.28
_LEGEND_CHARACTERS_PER_INCH = 12.0
_LEGEND_HANDLE_INCHES = 0.85
_BAND_OPACITY = 0.13


def matplotlib_panel(panel: Panel) -> Figure:
    """Return one panel, its legend below the axes."""
    return matplotlib_panel_grid([panel], num_columns=1, panel_inches=(6.4, 3.8))


def matplotlib_panel_grid(
    panels: Sequence[Panel],
    *,
    title: str = "",
    num_columns: int = 3,
    panel_inches: tuple[float, float] = _PANEL_INCHES,
) -> Figure:
    """Return all panels in one figure with one legend below them."""
    num_columns = min(num_columns, len(panels))
    num_rows = -(-len(panels) // num_columns)
    width = panel_inches[0] * num_columns
    algorithms = [series.algorithm for series in panels[0].series]
    legend_columns = _legend_columns(algorithms, width)
    legend_rows = -(-len(algorithms) // legend_columns)
    height = panel_inches[1] * num_rows + _LEGEND_INCHES_PER_ROW * (legend_rows + bool(title))
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
    figure = Figure(figsize=(width, height), dpi=_DPI, layout=layout)
    all_axes = figure.subplots(num_rows, num_columns, squeeze=False).flatten()
    for panel, axes in zip(panels, all_axes, strict=False):
        _draw_panel(axes, panel)
    for axes in all_axes[len(panels) :]:
        axes.set_axis_off()
    figure.legend(
        handles=[_legend_handle(series) for series in panels[0].series],
        loc="outside lower center",
        ncols=legend_columns,
        frameon=False,
        handlelength=3.2,
    )
    if title:
        figure.suptitle(title, fontweight="bold")
    return figure


def matplotlib_stage_times(stage_times: pd.DataFrame) -> Figure:
    """Return a bar per stage, stacked by kind of work, its total written beside it.

    Args:
        stage_times: Columns ``stage, seconds`` and, where known, ``kind``.
    """
    stacks = stacked_times(stage_times)
    figure = Figure(figsize=(8.0, 1.3 + 0.32 * len(stacks)), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    stages = [str(stage) for stage in stacks.index]
    left = np.zeros(len(stacks))
    for kind in stacks.columns:
        seconds = stacks[kind].to_numpy(dtype=np.float64)
        colour = KIND_COLOURS.get(str(kind), KIND_COLOURS[""])
        axes.barh(stages, seconds, left=left, color=colour, label=str(kind) or "whole stage")
        left += seconds
    for i, total in enumerate(left):
        axes.annotate(
            formatting.seconds(float(total)),
            (float(total), i),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.invert_yaxis()  # the first stage on top, as one reads
    axes.margins(x=0.14)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds")
    axes.set_title("Time per stage", loc="left", fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    if len(stacks.columns) > 1:
        figure.legend(loc="outside lower center", ncols=len(stacks.columns), frameon=False)
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for series in panel.series:
        if series.low is not None and series.high is not None:
            axes.fill_between(
                series.rounds,
                series.low,
                series.high,
                color=series.style.colour,
                alpha=_BAND_OPACITY,
                linewidth=0,
            )
    for series in panel.series:
        marked = len(series.rounds) <= MOST_MARKED_ROUNDS
        axes.plot(
            series.rounds,
            series.y,
            label=series.algorithm,
            color=series.style.colour,
            linestyle=series.style.matplotlib_dash,
            marker=series.style.matplotlib_marker if marked else "",
            markersize=4,
            linewidth=1.6,
        )
    if panel.scale is not None:
        ticks = panel.scale.ticks(*panel.y_range)
        axes.set_yscale("function", functions=(panel.scale.forward, panel.scale.inverse))
        axes.yaxis.set_major_locator(FixedLocator(ticks))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(
            FixedFormatter([f"{tick:g}".replace("-", formatting.MINUS) for tick in ticks])
        )
    axes.set_ylim(*panel.y_range)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    axes.set_title(panel.title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel(X_LABEL)
    axes.set_ylabel(panel.y_label)
    axes.grid(visible=True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _legend_handle(series: Series) -> Line2D:
    return Line2D(
        [],
        [],
        label=series.algorithm,
        color=series.style.colour,
        linestyle=series.style.matplotlib_dash,
        marker=series.style.matplotlib_marker,
        markersize=5,
        linewidth=1.6,
    )


def _legend_columns(labels: Sequence[str], width_inches: float) -> int:
    """Return how many labels fit beside one another, their handles included."""
    widths = [len(label) / _LEGEND_CHARACTERS_PER_INCH + _LEGEND_HANDLE_INCHES for label in labels]
    if sum(widths) <= width_inches:
        return max(1, len(labels))
    return max(1, int(width_inches / max(widths)))
