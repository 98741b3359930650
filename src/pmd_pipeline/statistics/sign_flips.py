"""The sign-flip permutation test of paired differences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.statistics.scores import FloatArray

_ROUNDING = 1e-12  # of the summed magnitudes: sums that are equal but for rounding count as ties


@dataclass(frozen=True, slots=True, kw_only=True)
class SignFlipTest:
    """The outcome of a sign-flip test.

    Attributes:
        p_value: Two-sided.
        smallest_p_value: The least p-value that so many differences can give.
        exact: Whether all flips were tried, not a sample of them.
    """

    p_value: float
    smallest_p_value: float
    exact: bool


def sign_flip_test(
    differences: ArrayLike, *, seed: int = 0, max_exact: int = 16, num_draws: int = 10_000
) -> SignFlipTest:
    """Return whether the mean of paired differences is further from 0 than chance makes it.

    If neither algorithm is better, each difference is as likely to come out with the other sign.
    The p-value is the share of all flips of signs whose mean is at least as far from 0.

    Args:
        differences: One per pair, [N]: of seed means, or of problems with one seed.
        seed: Of the draws; the same seed and differences give the same p-value.
        max_exact: Up to so many differences, all flips are tried, ``2 ** (N - 1)`` of them.
        num_draws: Beyond, so many flips are drawn, and ``(b + 1) / (num_draws + 1)`` counts the
            observed signs as one of them, so that the test errs on the safe side.

    Raises:
        ValueError: If there is no difference, or one is not finite.

    Source: Fisher 1935; for drawn flips, Phipson & Smyth 2010, equation 2.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"differences must hold one per pair, [N]; found shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"differences must be finite, found {values[~np.isfinite(values)][0]}")
    exact = values.size <= max_exact
    signs = _all_signs(values.size) if exact else _drawn_signs(values.size, seed, num_draws)
    reached = np.abs(values.sum()) - _ROUNDING * np.abs(values).sum()
    num_as_far = int((np.abs(signs @ values) >= reached).sum())
    if exact:
        return SignFlipTest(
            p_value=num_as_far / len(signs), smallest_p_value=1 / len(signs), exact=True
        )
    return SignFlipTest(
        p_value=(num_as_far + 1) / (num_draws + 1),
        smallest_p_value=1 / (num_draws + 1),
        exact=False,
    )


def _all_signs(count: int) -> FloatArray:
    """Return half of all flips: those that keep the last sign; the others mirror them."""
    numbers = np.arange(2 ** (count - 1))[:, None]
    flipped = (numbers >> np.arange(count)) & 1
    return np.asarray(1.0 - 2.0 * flipped, dtype=np.float64)


def _drawn_signs(count: int, seed: int, num_draws: int) -> FloatArray:
    drawn = np.random.default_rng(seed).integers(0, 2, size=(num_draws, count), dtype=np.int8)
    return np.asarray(1.0 - 2.0 * drawn, dtype=np.float64)
