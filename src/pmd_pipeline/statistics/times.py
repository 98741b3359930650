"""How long it takes to reach a score, and how two algorithms compare in that."""

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.statistics.scores import FloatArray


def time_to_reach(scores: ArrayLike, seconds: ArrayLike, target: float) -> float:
    """Return when a curve first reaches a score, on the straight line between evaluations.

    Args:
        scores: In the order of evaluation, [E]; one that is not finite reaches nothing.
        seconds: When each was made, rising, [E].
        target: The score.

    Returns:
        Seconds; NaN if it is never reached.

    Raises:
        ValueError: If the lengths differ or the seconds fall.
    """
    values, times = np.asarray(scores, np.float64), np.asarray(seconds, np.float64)
    if values.ndim != 1 or values.shape != times.shape or (np.diff(times) < 0).any():
        raise ValueError(
            "scores and rising seconds must be of one length, [E]; found shapes "
            f"{values.shape} and {times.shape}, seconds {times.tolist()}"
        )
    reached = np.flatnonzero(values >= target)
    if reached.size == 0:
        return float("nan")
    at = int(reached[0])
    if at == 0 or not np.isfinite(values[at - 1]):
        return float(times[at])
    way = (target - values[at - 1]) / (values[at] - values[at - 1])
    return float(times[at - 1] + way * (times[at] - times[at - 1]))


def log_ratios_of_times(first: ArrayLike, second: ArrayLike) -> FloatArray:
    """Return the log of how many times as long the first took, of each training seed.

    The exponential of their mean is the geometric mean of the ratios; below 0, the first is
    quicker.

    Args:
        first: Seconds of one algorithm, [S].
        second: Of the other, with the same training seeds.

    Returns:
        [S]; NaN where one took no time at all.

    Raises:
        ValueError: If the shapes differ, or a time is negative or not finite.
    """
    ours, theirs = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if ours.ndim != 1 or ours.shape != theirs.shape:
        raise ValueError(
            f"both must have one time per training seed, [S]; found shapes {ours.shape} and "
            f"{theirs.shape}"
        )
    for times in (ours, theirs):
        if not (np.isfinite(times) & (times >= 0)).all():
            raise ValueError(f"times must be finite and at least 0, found {times.tolist()}")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.log(ours) - np.log(theirs)
    return np.asarray(np.where((ours > 0) & (theirs > 0), ratios, np.nan))
