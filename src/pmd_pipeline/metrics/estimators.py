"""Accuracy from n samples of a problem: the mean, and the chance that one of k is right."""

import math
import operator


def average_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Return avg@k: the expected mean correctness of k of the samples, which is that of all.

    Args:
        num_samples: n, samples of one problem.
        num_correct: c, right ones among them.
        k: How many are drawn without replacement; the value does not depend on it.

    Returns:
        c / n.

    Raises:
        ValueError: If not ``0 <= c <= n`` and ``1 <= k <= n``, or a count is no integer.
    """
    n, c, _ = _checked_counts(num_samples, num_correct, k)
    return c / n


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Return the unbiased pass@k, ``1 - C(n - c, k) / C(n, k)``, correctly rounded.

    It is the chance that k of the samples, drawn without replacement, hold a right one.

    Args:
        num_samples: n, samples of one problem.
        num_correct: c, right ones among them.
        k: How many are drawn.

    Returns:
        A probability; 1 if fewer than k samples are wrong.

    Raises:
        ValueError: If not ``0 <= c <= n`` and ``1 <= k <= n``, or a count is no integer.

    Source: Chen et al. 2021, arXiv:2107.03374, equation 1; in integers up to one last division.
    """
    n, c, k = _checked_counts(num_samples, num_correct, k)
    draws = math.comb(n, k)
    return (draws - math.comb(n - c, k)) / draws


def _checked_counts(num_samples: int, num_correct: int, k: int) -> tuple[int, int, int]:
    try:
        n, c, k = map(operator.index, (num_samples, num_correct, k))
    except TypeError:
        raise ValueError(
            f"counts must be integers, found n={num_samples!r}, c={num_correct!r}, k={k!r}"
        ) from None
    if not 0 <= c <= n:
        raise ValueError(f"num_correct must be within 0..{n}, the samples; found {c}")
    check_k(n, k)
    return n, c, k


def check_k(num_samples: int, k: int) -> None:
    """Raise a ValueError unless ``1 <= k <= num_samples``."""
    if not 1 <= k <= num_samples:
        raise ValueError(
            f"k must be within 1..{num_samples}, the samples of the problem; found {k}: "
            "draw more samples or lower k"
        )
