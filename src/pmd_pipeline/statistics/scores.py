"""Arrays of scores: what every statistic of this room is computed from."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
Seeds = Sequence[int]


def cell_scores(correct: ArrayLike) -> FloatArray:
    """Return the mean over samples of each training seed and problem: its avg@k.

    Args:
        correct: Whether each response is right, or its reward: seeds, problems and samples,
            [..., S, P, K].

    Returns:
        Scores, [..., S, P].

    Raises:
        ValueError: If an axis is missing or empty, or a value is not finite.
    """
    values = np.asarray(correct, dtype=np.float64)
    if values.ndim < 3 or values.size == 0:
        raise ValueError(
            "correct must hold training seeds, problems and samples, [S, P, K]; found shape "
            f"{values.shape}"
        )
    return checked_scores(values.mean(axis=-1), "correct")


def checked_scores(scores: ArrayLike, name: str = "scores") -> FloatArray:
    """Return ``scores`` as a float64 array [..., S, P].

    Raises:
        ValueError: If an axis is missing or empty, or a value is not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim < 2 or values.size == 0:
        raise ValueError(
            f"{name} must hold a row per training seed and a column per problem, [S, P]; found "
            f"shape {values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, found {values[~np.isfinite(values)][0]}")
    return values


def paired_differences(
    first: ArrayLike, second: ArrayLike, names: tuple[str, str] = ("first", "second")
) -> FloatArray:
    """Return how much the first algorithm scores above the second, cell by cell.

    Args:
        first: Scores of one algorithm, [..., S, P].
        second: Scores of the other, with the same training seeds and problems in the same order.
        names: What the two are called in an error.

    Returns:
        Differences, [..., S, P]. What a seed or a problem does to both cancels.

    Raises:
        ValueError: If the shapes differ, and as for ``checked_scores``.
    """
    ours, theirs = checked_scores(first, names[0]), checked_scores(second, names[1])
    if ours.shape != theirs.shape:
        raise ValueError(
            f"{names[0]} has {_size(ours)} and {names[1]} {_size(theirs)}: a paired comparison "
            "needs the same seeds and problems in the same order; evaluate both on the same data "
            "and leave out seeds that only one was trained with"
        )
    return ours - theirs


def of_shared_seeds(
    first: ArrayLike, second: ArrayLike, seeds: tuple[Seeds, Seeds], names: tuple[str, str]
) -> tuple[FloatArray, FloatArray]:
    """Return the scores of two algorithms on the training seeds of both, in one order.

    Args:
        first: Scores of one algorithm, a row per training seed, [S, P].
        second: Of the other.
        seeds: Of the rows of either.
        names: What the two are called in an error.

    Raises:
        ValueError: If they have no training seed in common.
    """
    ours, theirs = (list(own) for own in seeds)
    shared = [seed for seed in ours if seed in theirs]
    if not shared:
        raise ValueError(
            f"{names[0]} was trained with the seeds {ours} and {names[1]} with {theirs}: a paired "
            "comparison needs seeds of both; train both with the same ones"
        )
    return (
        np.asarray(first)[[ours.index(seed) for seed in shared]],
        np.asarray(second)[[theirs.index(seed) for seed in shared]],
    )


def _size(scores: FloatArray) -> str:
    seeds, problems = scores.shape[-2:]
    return f"{seeds} training seed{'s' * (seeds != 1)} x {problems} problem{'s' * (problems != 1)}"
