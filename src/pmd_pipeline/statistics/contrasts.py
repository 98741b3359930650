"""How scores change along a condition, such as group size, seed by seed and problem by problem.

A contrast of several tables is one table again, to which the intervals of ``two_level`` apply.
"""

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.statistics.scores import FloatArray, checked_scores


def slopes(scores: ArrayLike, x: ArrayLike) -> FloatArray:
    """Return the least-squares slope over conditions of each training seed and problem.

    The mean of the slopes is the slope of the means. The difference of two algorithms' slopes is
    the interaction of algorithm and condition, with the seed as its unit.

    Args:
        scores: A table per condition, with the same seeds and problems, [C, S, P].
        x: Where each condition stands, such as log2 of its group size, [C]; not all equal.

    Returns:
        Units of the scores per unit of x, [S, P].

    Raises:
        ValueError: If the shapes do not fit, x is not finite or has one value only.
    """
    values, places = checked_scores(scores), np.asarray(x, dtype=np.float64)
    if values.ndim != 3 or places.shape != values.shape[:1]:
        raise ValueError(
            "slopes need a table per condition, [C, S, P], and a place for each, [C]; found "
            f"shapes {values.shape} and {places.shape}"
        )
    if not np.isfinite(places).all() or np.ptp(places) == 0:
        raise ValueError(f"slopes need at least two different places, found {places.tolist()}")
    centred = places - places.mean()
    return np.asarray(np.tensordot(centred, values, axes=1) / np.square(centred).sum())


def weighted_slope(y: ArrayLike, x: ArrayLike, weights: ArrayLike) -> float:
    """Return the weighted least-squares slope of one seed's values, such as means of bins.

    Args:
        y: Values, [N]; what is NaN is left out.
        x: Where each stands, [N].
        weights: How much each counts, at least 0, [N]: the number of groups in a bin.

    Returns:
        NaN if fewer than two different places are left.

    Raises:
        ValueError: If the shapes differ or a weight is negative.
    """
    values, places, counts = (np.asarray(part, dtype=np.float64) for part in (y, x, weights))
    if values.ndim != 1 or not values.shape == places.shape == counts.shape:
        raise ValueError(
            "y, x and weights must be of one length, [N]; found shapes "
            f"{values.shape}, {places.shape} and {counts.shape}"
        )
    if (counts < 0).any():
        raise ValueError(f"weights must be at least 0, found {counts.min()}")
    known = np.isfinite(values) & (counts > 0)
    values, places, counts = values[known], places[known], counts[known]
    if values.size < 2 or np.ptp(places) == 0:
        return float("nan")
    centred = places - np.average(places, weights=counts)
    return float((counts * centred * values).sum() / (counts * np.square(centred)).sum())


def drops_from_best(curves: ArrayLike) -> FloatArray:
    """Return how far the last evaluation lies below the best one, without the best one's luck.

    The best of several noisy evaluations looks better than it is. So the best one is chosen on
    every other problem and measured on the rest, and the other way round.

    Args:
        curves: Evaluations in order, seeds and problems, [E, S, P] with at least two problems.

    Returns:
        Drops, [S, P]; 0 where the last evaluation is the best. That of a flat curve is 0 on
        average, and may be negative by chance; that of one that only rises is at most 0 on average.

    Raises:
        ValueError: If there are not three axes or fewer than two problems.
    """
    values = checked_scores(curves, "curves")
    if values.ndim != 3 or values.shape[2] < 2:
        raise ValueError(
            "curves must hold evaluations, training seeds and at least 2 problems, [E, S, P]; "
            f"found shape {values.shape}"
        )
    is_even = np.arange(values.shape[2]) % 2 == 0
    seeds = np.arange(values.shape[1])
    drops = np.empty(values.shape[1:])
    for measured_on in (is_even, ~is_even):
        best = values[:, :, ~measured_on].mean(axis=2).argmax(axis=0)  # [S]
        drops[:, measured_on] = (values[best, seeds] - values[-1])[:, measured_on]
    return drops
