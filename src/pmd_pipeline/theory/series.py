"""Second-order remainders of the exponential, accurate near zero.

Divergences between nearly equal policies are sums of these: every term is non-negative, so that
nothing cancels however small the update is.
"""

import math

import numpy as np

from pmd_pipeline.theory.arrays import FloatArray, log_sum_exp_rows, row_sums

_SERIES_LIMIT = 0.5
"""Below it the Taylor series is summed; above it the direct form loses less than two bits."""

_COEFFICIENTS = tuple(1.0 / math.factorial(k) for k in range(2, 16))
"""1/k!; the first one left out contributes less than 2e-18 relative at the limit."""


_EXPONENT_LIMIT = 700.0
"""Exponents are cut here before they are summed directly; such sums are not used then."""


def log_mean_exp_rows(
    log_probs: FloatArray, values: FloatArray, mean: FloatArray | None = None
) -> FloatArray:
    """Return ``log E_p exp(values)`` per row, accurate relative to itself also where it is tiny.

    Args:
        log_probs: Log-probabilities, [G, K]; rows sum to one in probability.
        values: Exponents, [G, K], of any size.
        mean: The exact mean of ``values`` under the probabilities where it is known, [G]; the
            first-order terms are then left out of the sum and their rounding with them.

    Returns:
        [G].
    """
    result = log_sum_exp_rows(log_probs + values)
    cut = np.minimum(values, _EXPONENT_LIMIT)
    if mean is None:
        terms = np.exp(log_probs) * np.expm1(cut)
        excess = row_sums(terms)
    else:
        terms = np.exp(log_probs) * exp_remainder(cut)
        excess = row_sums(terms) + mean
    # Past half, log(1 + excess) has no digits that the ordinary sum lacks.
    fine = row_sums(np.abs(terms)) < 0.5
    result[fine] = np.log1p(excess[fine])
    return result


def exp_remainder(x: FloatArray) -> FloatArray:
    """Return ``exp(x) - 1 - x`` elementwise to full relative accuracy; it is never negative.

    The caller keeps ``x`` below 709, where the exponential overflows.
    """
    result = np.asarray(np.expm1(x) - x)
    small = np.abs(x) < _SERIES_LIMIT
    if small.any():
        z = x[small]
        total = np.full_like(z, _COEFFICIENTS[-1])
        for coefficient in reversed(_COEFFICIENTS[:-1]):
            total = total * z + coefficient
        result[small] = total * z * z
    return result
