"""The axis of values beside a set of lines."""

from collections.abc import Iterable

import numpy as np

from pmd_pipeline.reporting.drawing.scales import SymlogScale
from pmd_pipeline.reporting.drawing.spec import Axis, Series

_PADDING = 0.06  # share of the data's range left free on either side


def value_axis(
    label: str,
    series: Iterable[Series],
    *,
    scale: SymlogScale | None = None,
    includes_zero: bool = False,
) -> Axis:
    """Return an axis that shows all of the lines and their bands."""
    return Axis(
        label=label,
        scale=scale or "linear",
        range=_padded_range(all_values(series), scale, includes_zero=includes_zero),
    )


def all_values(series: Iterable[Series]) -> np.ndarray:
    """Return every finite value of lines and bands."""
    parts = [
        part
        for line in series
        for part in (line.y, line.low, line.high)
        if part is not None and len(part) > 0
    ]
    values = np.concatenate(parts) if parts else np.empty(0)
    finite: np.ndarray = values[np.isfinite(values)]
    return finite


def _padded_range(
    values: np.ndarray, scale: SymlogScale | None, *, includes_zero: bool
) -> tuple[float, float]:
    if includes_zero:
        values = np.append(values, 0.0)
    if len(values) == 0:
        return 0.0, 1.0
    positions = values if scale is None else scale.forward(values)
    low, high = float(positions.min()), float(positions.max())
    # A constant is shown in the middle of the axis.
    padding = _PADDING * (high - low) if high > low else max(0.1 * abs(high), 0.1)
    ends = np.array([low - padding, high + padding])
    low, high = ends if scale is None else scale.inverse(ends)
    return float(low), float(high)
