"""Axes for quantities that spread over orders of magnitude on both sides of zero."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Beyond this factor between the largest and the typical value, a linear axis hides the typical one.
_WIDE_SPREAD = 20.0
# Ticks at 1, 3, 10, 30 ... touch when more than about two decades share an axis, and those at
# 1, 10, 100 ... when more than six decades do.
_SPAN_WITH_FINE_TICKS = 2.2
_MOST_DECADES = 6
# Over a smaller factor between its ends, an axis of decades alone would have hardly any ticks.
FEW_DECADES = 200.0
_LOG_BASES = ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))
_LOG_SLACK = 1.6


@dataclass(frozen=True, slots=True, kw_only=True)
class SymlogScale:
    """A logarithmic scale that is linear around zero: ``sign(y) log10(1 + |y| / linear_width)``.

    Attributes:
        linear_width: Positive, in the units of y; below it the scale is nearly linear.
    """

    linear_width: float

    def __post_init__(self) -> None:
        if not self.linear_width > 0:
            raise ValueError(f"linear_width must be positive, found {self.linear_width}")

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Return positions on the axis."""
        values = np.asarray(values, dtype=np.float64)
        magnitudes = np.log1p(np.abs(values) / self.linear_width) / math.log(10)
        positions: np.ndarray = np.copysign(magnitudes, values)
        return positions

    def inverse(self, positions: np.ndarray) -> np.ndarray:
        """Return the values at positions on the axis."""
        positions = np.asarray(positions, dtype=np.float64)
        magnitudes = np.expm1(np.abs(positions) * math.log(10)) * self.linear_width
        values: np.ndarray = np.copysign(magnitudes, positions)
        return values

    def ticks(self, low: float, high: float) -> list[float]:
        """Return round values from ``low`` to ``high``, zero among them where it lies inside."""
        magnitude = max(abs(low), abs(high), self.linear_width)
        first = math.floor(math.log10(self.linear_width))
        last = math.floor(math.log10(magnitude))
        step = math.ceil((last - first + 1) / _MOST_DECADES)
        # From the top, so that the largest decade has its tick.
        decades = sorted(range(last, first - 1, -step))
        below, above = self.forward(np.array([low, high]))
        if above - below > _SPAN_WITH_FINE_TICKS:
            return _within(low, high, decades, (1.0,))
        return _within(low, high, decades, (1.0, 3.0))


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """Return up to ``most`` evenly spaced round numbers between two; 0 is one if it lies there."""
    least_step = (high - low) / most
    power = math.floor(math.log10(least_step))
    # Read from text, because 3 * 10.0 ** -2 is not 0.03.
    steps = (float(f"{base}e{exponent}") for exponent in (power, power + 1) for base in (1, 2, 5))
    step = next(step for step in steps if step >= least_step)
    digits = max(1 - power, 0)
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [round(number * step, digits) for number in numbers]


def log_ticks(low: float, high: float, *, most: int = 8) -> list[float]:
    """Return round numbers between two positive ones, and the next ones just outside.

    They are 1, 2 and 5 times powers of ten; 1 and 3 times, or powers alone, where more than
    ``most`` would lie between the ends.
    """
    first, last = math.log10(low / _LOG_SLACK), math.log10(high * _LOG_SLACK)
    powers = range(math.floor(first), math.ceil(last) + 1)
    ticks: list[float] = []
    for bases in _LOG_BASES:
        ticks = _within(low / _LOG_SLACK, high * _LOG_SLACK, powers, bases, has_signs=False)
        if sum(low <= tick <= high for tick in ticks) <= most:
            break
    return ticks


def is_widely_spread(values: np.ndarray) -> bool:
    """Return True if the largest magnitude is far above the median one."""
    magnitudes = np.abs(values[np.isfinite(values)])
    if len(magnitudes) == 0:
        return False
    return bool(magnitudes.max() > _WIDE_SPREAD * np.median(magnitudes))


def _within(
    low: float,
    high: float,
    decades: Sequence[int],
    steps: Sequence[float],
    *,
    has_signs: bool = True,
) -> list[float]:
    # Read from text, because 3 * 10.0 ** -2 is not 0.03.
    positive = [float(f"{step:g}e{decade}") for decade in decades for step in steps]
    mirrored = [-value for value in reversed(positive)] + [0.0] if has_signs else []
    candidates = mirrored + positive
    return [value for value in candidates if low <= value <= high]
