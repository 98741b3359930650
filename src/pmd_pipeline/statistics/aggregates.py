"""Aggregates of rliable: interquartile mean, probability of improvement, performance profiles.

Each is the mean of a table of values, one per training seed and problem, to which the intervals of
``two_level`` apply: the share that a cell has in the aggregate, as far as it is linear.

Source: Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice,
arXiv:2108.13264, section 4; their tasks are our problems, their runs our training seeds.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.statistics.estimates import Estimate
from pmd_pipeline.statistics.scores import FloatArray, checked_scores, paired_differences
from pmd_pipeline.statistics.two_level import two_level_estimate

_TRIMMED = 0.25  # on either side


def interquartile_mean(
    scores: ArrayLike, *, lowest: float = -math.inf, highest: float = math.inf
) -> Estimate:
    """Return the mean of the middle half of all scores of seeds and problems.

    Args:
        scores: A row per training seed, a column per problem, [S, P].
        lowest: The least score that there can be.
        highest: The greatest.

    Raises:
        ValueError: If an axis is missing or empty, or a value is not finite.
    """
    parts = interquartile_parts(checked_scores(scores))
    return two_level_estimate(parts, lowest=lowest, highest=highest)


def probability_of_improvement(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Return how likely a run of the first algorithm scores above one of the second on a problem.

    All pairs of runs count, those of different seeds too; a tie counts half.

    Args:
        first: Scores of one algorithm, [S, P].
        second: Of the other, with the same training seeds and problems.

    Returns:
        A probability; 0.5 where neither is better.

    Raises:
        ValueError: If the shapes differ, and as for ``interquartile_mean``.
    """
    paired_differences(first, second)  # refuses what cannot be compared
    parts = improvement_parts(checked_scores(first), checked_scores(second))
    return two_level_estimate(parts, lowest=0.0, highest=1.0)


def performance_profile(scores: ArrayLike, thresholds: Sequence[float]) -> tuple[Estimate, ...]:
    """Return the share of all scores of seeds and problems above each threshold.

    Args:
        scores: A row per training seed, a column per problem, [S, P].
        thresholds: In units of the scores.

    Raises:
        ValueError: As for ``interquartile_mean``.
    """
    values = checked_scores(scores)
    return tuple(
        two_level_estimate(values > threshold, lowest=0.0, highest=1.0) for threshold in thresholds
    )


def interquartile_parts(scores: FloatArray) -> FloatArray:
    """Return values whose mean is the interquartile mean, [..., S, P] from checked scores.

    They are the mean plus each score's influence on it: that of a score beyond a quartile is that
    of the quartile.
    """
    flat = np.sort(scores.reshape(*scores.shape[:-2], -1), axis=-1)
    cut = int(_TRIMMED * flat.shape[-1])
    kept = flat[..., cut : flat.shape[-1] - cut]
    middle = kept.mean(axis=-1)[..., None, None]
    winsorised = np.clip(scores, kept[..., :1, None], kept[..., -1:, None])
    influence = (winsorised - winsorised.mean(axis=(-2, -1), keepdims=True)) / (1 - 2 * _TRIMMED)
    return np.asarray(middle + influence)


def improvement_parts(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return values whose mean is the probability of improvement, [..., S, P] of checked scores.

    A seed's value has its run of either algorithm against all runs of the other.
    """
    ours, theirs = first[..., :, None, :], second[..., None, :, :]
    above = 0.5 * (np.sign(ours - theirs) + 1.0)  # [..., S of the first, S of the second, P]
    per_problem = above.mean(axis=(-3, -2))[..., None, :]
    return np.asarray(above.mean(axis=-2) + above.mean(axis=-3) - per_problem)
