"""Where the panels of a still figure lie."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine
from matplotlib.transforms import ScaledTranslation

_FIRST_MARGINS = {"left": 0.7, "right": 0.1, "bottom": 0.55, "top": 0.3}
"""Inches around a panel that is about to be measured: near what most panels need."""

_EDGE_INCHES = 0.08


class GridLayout(LayoutEngine):
    """Puts axes of equal size into rows and columns, as far apart as their labels need.

    Every panel is measured once, when the figure is first drawn. Matplotlib's constrained layout,
    to the same end, measures each four times, at every drawing, and that takes as long as drawing.

    Args:
        axes: The panels, row by row.
        num_columns: Panels in a row.
        inches_above: Kept free above all panels, for a title.
        inches_below: Kept free below them, for a legend.
    """

    _adjust_compatible = False
    _colorbar_gridspec = False

    def __init__(
        self,
        axes: Sequence[Axes],
        *,
        num_columns: int,
        inches_above: float = 0.0,
        inches_below: float = 0.0,
    ) -> None:
        super().__init__()
        self._axes = list(axes)
        self._num_columns = num_columns
        self._above = inches_above
        self._below = inches_below
        self._is_done = False

    def execute(self, fig: Figure) -> None:
        """Move the axes to their places; a second time does nothing."""
        if self._is_done:
            return
        self._is_done = True
        num_rows = -(-len(self._axes) // self._num_columns)
        columns = [dict.fromkeys(("left", "right"), 0.0) for _ in range(self._num_columns)]
        rows = [dict.fromkeys(("top", "bottom"), 0.0) for _ in range(num_rows)]
        self._place(fig, [_FIRST_MARGINS] * self._num_columns, [_FIRST_MARGINS] * num_rows)
        renderer = RendererAgg(*fig.bbox.size, fig.dpi)  # type: ignore[no-untyped-call]
        for index, axes in enumerate(self._axes):
            row, column = divmod(index, self._num_columns)
            measured = _overhang(axes, renderer, fig.dpi)
            _keep_labels(axes, fig)
            for side, inches in measured.items():
                margins = columns[column] if side in ("left", "right") else rows[row]
                margins[side] = max(margins[side], inches + _EDGE_INCHES)
        self._place(fig, columns, rows)

    def _place(
        self, fig: Figure, columns: Sequence[dict[str, float]], rows: Sequence[dict[str, float]]
    ) -> None:
        width, height = fig.get_size_inches()
        free_width = width - sum(margins["left"] + margins["right"] for margins in columns)
        free_height = height - self._above - self._below
        free_height -= sum(margins["top"] + margins["bottom"] for margins in rows)
        size = np.array([free_width / len(columns), free_height / len(rows)])
        top = height - self._above
        for row, across in enumerate(rows):
            top -= across["top"]
            left = 0.0
            for column, along in enumerate(columns):
                left += along["left"]
                index = row * self._num_columns + column
                if index < len(self._axes):
                    place = (left / width, (top - size[1]) / height, *(size / (width, height)))
                    self._axes[index].set_position(place)
                left += size[0] + along["right"]
            top -= size[1] + across["bottom"]


def _keep_labels(axes: Axes, figure: Figure) -> None:
    """Have the axes' labels stay as far away as they are: nobody need look for them again."""
    corner = axes.get_window_extent().min
    below = (axes.xaxis.label.get_position()[1] - corner[1]) / figure.dpi
    beside = (axes.yaxis.label.get_position()[0] - corner[0]) / figure.dpi
    down = ScaledTranslation(0.0, below, figure.dpi_scale_trans)
    left = ScaledTranslation(beside, 0.0, figure.dpi_scale_trans)
    axes.xaxis.set_label_coords(0.5, 0.0, axes.transAxes + down)
    axes.yaxis.set_label_coords(0.0, 0.5, axes.transAxes + left)


def _overhang(axes: Axes, renderer: RendererAgg, dpi: float) -> dict[str, float]:
    """Return how far what belongs to a panel reaches beyond it, in inches."""
    inner = axes.get_window_extent(renderer)
    outer = axes.get_tightbbox(renderer, for_layout_only=True)
    assert outer is not None
    sides = {
        "left": inner.x0 - outer.x0,
        "right": outer.x1 - inner.x1,
        "bottom": inner.y0 - outer.y0,
        "top": outer.y1 - inner.y1,
    }
    return {side: max(float(pixels), 0.0) / dpi for side, pixels in sides.items()}
