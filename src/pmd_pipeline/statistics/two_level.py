"""Means over training seeds and problems, with intervals that answer for both."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.statistics.errors import MeanError
from pmd_pipeline.statistics.estimates import Covers, Estimate
from pmd_pipeline.statistics.scores import FloatArray, checked_scores
from pmd_pipeline.statistics.variance import mean_squares

_ROUNDING = 1e-20  # squared: means that are equal but for rounding


def two_level_estimate(
    scores: ArrayLike, *, lowest: float = -math.inf, highest: float = math.inf
) -> Estimate:
    """Return the mean score; its interval covers other training seeds and other problems.

    With one seed it covers problems alone, and says so. Give paired differences to compare two
    algorithms.

    Args:
        scores: A row per training seed, a column per problem, [S, P].
        lowest: The least mean that there can be.
        highest: The greatest.

    Raises:
        ValueError: If an axis is missing or empty, or a value is not finite.

    Source: docs/statistics.md, which has the formulas and the measured coverage.
    """
    values = _one_table(scores)
    error = two_level_error(values)
    return Estimate(
        value=float(values.mean()),
        error=MeanError(
            standard_error=float(error.standard_error),
            seed_share=float(error.seed_share),
            seed_freedom=error.seed_freedom,
            problem_freedom=error.problem_freedom,
        ),
        covers=_COVERS[values.shape[0] > 1, values.shape[1] > 1],
        lowest=lowest,
        highest=highest,
    )


def seeds_estimate(
    scores: ArrayLike, *, lowest: float = -math.inf, highest: float = math.inf
) -> Estimate:
    """Return the mean score with the t interval of the seeds' means: it covers seeds alone.

    Args:
        scores: As for ``two_level_estimate``; at least two seeds.
        lowest: As there.
        highest: As there.

    Raises:
        ValueError: If there is one seed only, and as ``two_level_estimate``.
    """
    values = _one_table(scores)
    num_seeds, num_problems = values.shape
    if num_seeds < 2:
        raise ValueError("an interval over training seeds needs at least 2 of them, found 1")
    estimate = two_level_estimate(values.mean(axis=1)[:, None], lowest=lowest, highest=highest)
    return estimate if num_problems == 1 else replace(estimate, covers=Covers.SEEDS)


def two_level_error(scores: FloatArray) -> MeanError:
    """Return the errors of the means of many tables at once.

    The squared error is ``(A + D) / (S * P)``: A is the mean square of seeds, D what the mean
    square of problems exceeds that of the rest by. The seeds' share is ``A / (A + D)``.

    A few graded responses may give seeds equal means by chance, to the last digit. A is then the
    mean square of the rest, the least that its expectation can be.

    Args:
        scores: Checked scores, [..., S, P].

    Returns:
        The errors, [...]. One seed and one problem have an infinite one.
    """
    num_seeds, num_problems = scores.shape[-2:]
    if num_seeds == 1 or num_problems == 1:
        return _one_way_error(scores)
    squares = mean_squares(scores)
    excess = np.maximum(squares.problems - squares.rest, 0.0)
    differ = squares.seeds > _ROUNDING * squares.rest
    of_seeds = np.where(differ, squares.seeds, squares.rest)
    return error_of(of_seeds, excess, num_seeds, num_problems)


def error_of(
    of_seeds: ArrayLike, of_problems: ArrayLike, num_seeds: int, num_problems: int
) -> MeanError:
    """Return the error of a mean from A and D of ``two_level_error``; each at least 2 in number."""
    seeds, problems = np.asarray(of_seeds, float), np.asarray(of_problems, float)
    total = seeds + problems
    return MeanError(
        standard_error=np.sqrt(total / (num_seeds * num_problems)),
        # Where nothing varies, any share will do.
        seed_share=np.divide(seeds, total, out=np.ones_like(total), where=total > 0),
        seed_freedom=num_seeds - 1,
        problem_freedom=num_problems - 1,
    )


def _one_way_error(scores: FloatArray) -> MeanError:
    """Return Student's error of tables with one row or one column."""
    num_seeds, num_problems = scores.shape[-2:]
    values = scores.reshape(*scores.shape[:-2], -1)
    count = values.shape[-1]
    of_all = values.std(axis=-1, ddof=1) if count > 1 else np.full(values.shape[:-1], math.inf)
    return MeanError(
        standard_error=of_all / math.sqrt(count),
        seed_share=np.full(values.shape[:-1], float(num_seeds > 1)),
        # A part without a share has any degrees of freedom.
        seed_freedom=max(num_seeds - 1, 1),
        problem_freedom=max(num_problems - 1, 1),
    )


def _one_table(scores: ArrayLike) -> FloatArray:
    values = checked_scores(scores)
    if values.ndim != 2:
        raise ValueError(f"scores must be one table, [S, P]; found shape {values.shape}")
    return values


# By whether there are several seeds, and several problems.
_COVERS = {
    (True, True): Covers.SEEDS_AND_PROBLEMS,
    (True, False): Covers.SEEDS_ONE_PROBLEM,
    (False, True): Covers.PROBLEMS,
    (False, False): Covers.NOTHING,
}
