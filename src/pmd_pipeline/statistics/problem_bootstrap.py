"""Bootstrap intervals over problems, for one training seed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_BLOCK_CELLS = 2**20  # of resampled values in memory at a time; never changes a result


class Interval(NamedTuple):
    """A mean over problems and its confidence interval.

    Attributes:
        value: The mean.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def bootstrap_interval(
    values_per_problem: ArrayLike,
    seed: int,
    num_resamples: int = 10_000,
    level: float = 0.95,
) -> Interval:
    """Return the mean over problems with its percentile bootstrap interval.

    Problems, not samples, are drawn with replacement: the interval says how the mean would vary
    with other problems of the kind. One problem, or equal values, give an interval of no width.

    Args:
        values_per_problem: One value per problem, [P].
        seed: Of the resampling; the same seed and values give the same interval, bit for bit.
        num_resamples: How many times P problems are drawn.
        level: Share of the resampled means within the interval.

    Returns:
        Mean and interval, in units of the values.

    Raises:
        ValueError: If there is no value, one is not finite, or an argument is out of range.
    """
    values = _checked_values(values_per_problem, "values_per_problem")
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be at least 1, found {num_resamples}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, found {level}")
    if values.min() == values.max():
        same = float(values[0])
        return Interval(same, same, same)
    means = _resampled_means(values, seed, num_resamples)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def paired_difference_interval(
    values: ArrayLike,
    baseline_values: ArrayLike,
    seed: int,
    num_resamples: int = 10_000,
    level: float = 0.95,
) -> Interval:
    """Return how much the first policy beats the second on the same problems, with its interval.

    Args:
        values: One value per problem of one policy, [P].
        baseline_values: Of the other policy, on the same problems in the same order, [P].
        seed: As for ``bootstrap_interval``.
        num_resamples: As for ``bootstrap_interval``.
        level: As for ``bootstrap_interval``.

    Returns:
        Mean difference and its interval. Differing difficulty of the problems cancels.

    Raises:
        ValueError: If the numbers of problems differ, and as for ``bootstrap_interval``.
    """
    first = _checked_values(values, "values")
    second = _checked_values(baseline_values, "baseline_values")
    if first.shape != second.shape:
        raise ValueError(
            f"values has {first.size} problems and baseline_values {second.size}: a paired "
            "difference needs the same problems in the same order"
        )
    return bootstrap_interval(first - second, seed, num_resamples, level)


def _resampled_means(
    values: NDArray[np.float64], seed: int, num_resamples: int
) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    means = np.empty(num_resamples)
    rows = max(1, _BLOCK_CELLS // values.size)
    for start in range(0, num_resamples, rows):
        stop = min(start + rows, num_resamples)
        drawn = generator.integers(0, values.size, size=(stop - start, values.size))
        means[start:stop] = values[drawn].mean(axis=1)
    return means


def _checked_values(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must hold one value per problem, [P]; found shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, found {array[~np.isfinite(array)][0]}")
    return array
