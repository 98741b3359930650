"""How much scores vary between training seeds, between problems, and beyond both.

The model is ``score[s, p] = mean + seed[s] + problem[p] + rest[s, p]`` with independent random
terms: two crossed random effects without replication. The rest holds what one seed does to one
problem, and the sampling of its responses. Policies answer a problem with the same random numbers,
whatever their seed: the luck of those is part of ``problem[p]``.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.statistics.scores import FloatArray, checked_scores


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceComponents:
    """Variances of the three random terms, in squared units of the scores.

    Attributes:
        seed: Between training seeds.
        problem: Between problems.
        rest: Of seed and problem together, the sampling of responses included.
    """

    seed: float
    problem: float
    rest: float


class MeanSquares(NamedTuple):
    """Mean squares of a two-way analysis of variance; arrays over the leading axes.

    Attributes:
        seeds: Of S - 1 degrees of freedom; its expectation is ``rest + P * seed``.
        problems: Of P - 1; its expectation is ``rest + S * problem``.
        rest: Of (S - 1)(P - 1); its expectation is ``rest``.
    """

    seeds: FloatArray
    problems: FloatArray
    rest: FloatArray


def mean_squares(scores: FloatArray) -> MeanSquares:
    """Return the mean squares of checked scores, [..., S, P], with S and P at least 2."""
    num_seeds, num_problems = scores.shape[-2:]
    grand = scores.mean(axis=(-2, -1), keepdims=True)
    # Centred first: the sums of squares of raw scores would cancel.
    centred = scores - grand
    of_seeds = centred.mean(axis=-1)
    of_problems = centred.mean(axis=-2)
    total = np.square(centred).sum(axis=(-2, -1))
    seeds = num_problems * np.square(of_seeds).sum(axis=-1)
    problems = num_seeds * np.square(of_problems).sum(axis=-1)
    rest = np.maximum(total - seeds - problems, 0.0)  # below 0 by rounding alone
    return MeanSquares(
        seeds / (num_seeds - 1),
        problems / (num_problems - 1),
        rest / ((num_seeds - 1) * (num_problems - 1)),
    )


def estimate_components(scores: ArrayLike) -> VarianceComponents:
    """Return the variance components of scores, or of paired differences of scores.

    Args:
        scores: A row per training seed, a column per problem, [S, P].

    Returns:
        The unbiased estimates of the analysis of variance; a negative one counts as 0.

    Raises:
        ValueError: If there are fewer than two seeds or problems, or a value is not finite.

    Source: Searle, Casella & McCulloch, Variance Components (1992), section 4.5.
    """
    values = checked_scores(scores)
    if values.ndim != 2 or min(values.shape) < 2:
        raise ValueError(
            "variance components need at least 2 training seeds and 2 problems, found shape "
            f"{values.shape}; train more seeds (one seed says nothing about others)"
        )
    squares = mean_squares(values)
    num_seeds, num_problems = values.shape
    return VarianceComponents(
        seed=max(0.0, float(squares.seeds - squares.rest) / num_problems),
        problem=max(0.0, float(squares.problems - squares.rest) / num_seeds),
        rest=float(squares.rest),
    )
