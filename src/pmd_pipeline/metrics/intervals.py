"""Intervals of metrics: which values they can have, and what a table holds."""

import math

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.statistics.interval import Interval

_SHARES = frozenset({"avg_at_k", "pass_at_k", "maj_at_k", "truncated_fraction"})


def bounds_of(metric: str) -> tuple[float, float]:
    """Return the least and the greatest value that a metric can have."""
    if metric in _SHARES:
        return 0.0, 1.0
    return (0.0 if metric == "mean_response_tokens" else -math.inf), math.inf


def interval_over_problems(metric: str, values: ArrayLike, level: float) -> Interval:
    """Return a policy's mean with Student's t interval over problems.

    It says how the mean would vary with other problems of the kind, and nothing of what another
    training seed would have given.

    Args:
        metric: Decides where intervals end.
        values: One per problem, [P].
        level: Of the interval.

    Raises:
        ValueError: If there is no value, one is not finite, or ``level`` is not between 0 and 1.
    """
    return interval_over_seeds(metric, np.asarray(values, dtype=np.float64)[None, :], level)


def interval_over_seeds(metric: str, scores: ArrayLike, level: float) -> Interval:
    """Return an algorithm's mean with its interval over training seeds and problems.

    Args:
        metric: Decides where intervals end.
        scores: A row per training seed, a column per problem, [S, P]; with one seed, the interval
            is that over problems.
        level: Of the interval.

    Returns:
        Ends that are infinite, as of one problem's mean reward, are NaN: there is no interval.

    Raises:
        ValueError: As ``interval_over_problems``.
    """
    # It imports scipy, which what names the pipelines' nodes must not.
    from pmd_pipeline.statistics.two_level import two_level_estimate

    lowest, highest = bounds_of(metric)
    interval = two_level_estimate(scores, lowest=lowest, highest=highest).interval(level)
    if math.isfinite(interval.low) and math.isfinite(interval.high):
        return interval
    return Interval(interval.value, math.nan, math.nan)
