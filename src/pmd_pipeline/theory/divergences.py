"""Divergences between a policy and its update, from log-ratios.

Each is a sum of non-negative terms that assumes the new policy sums to one only where that costs
no accuracy: the relative error stays at a few rounding errors even for updates of size 1e-8,
where the textbook sums lose every digit.
"""

import numpy as np

from pmd_pipeline.theory.arrays import FloatArray
from pmd_pipeline.theory.series import exp_remainder

_DIRECT_LIMIT = 0.5
"""Beyond it the direct forms do not cancel."""


def kl_terms(probs: FloatArray, log_ratios: FloatArray) -> FloatArray:
    """Return the terms ``p * (x log x - x + 1)`` with ``x = exp(log_ratio)``.

    Their sum is KL(new || old) when the new policy sums to one, and a generalised divergence that
    is still non-negative when it does not (as with measured log-ratios).

    Args:
        probs: Old policy, any shape.
        log_ratios: log new - log old, nats, same shape.

    Returns:
        Nats, same shape.
    """
    new_probs = np.exp(np.log(probs) + log_ratios)
    near = new_probs * exp_remainder(np.maximum(-log_ratios, -_DIRECT_LIMIT).clip(max=1.0))
    far = new_probs * (log_ratios - 1.0) + probs
    return np.where(np.abs(log_ratios) < _DIRECT_LIMIT, near, far)


def reverse_kl_terms(probs: FloatArray, log_ratios: FloatArray) -> FloatArray:
    """Return the terms ``p * (x - 1 - log x)``; their sum is KL(old || new), see `kl_terms`."""
    near = probs * exp_remainder(log_ratios.clip(-1.0, 1.0))
    far = np.exp(np.log(probs) + log_ratios) - probs * (1.0 + log_ratios)
    return np.where(np.abs(log_ratios) < _DIRECT_LIMIT, near, far)


def chi2_terms(probs: FloatArray, log_ratios: FloatArray) -> FloatArray:
    """Return the terms ``p * (x - 1) ** 2``; their sum is chi-squared(new || old)."""
    near = probs * np.expm1(log_ratios.clip(-1.0, 1.0)) ** 2
    # (new - old)^2 / old: exp(2 * log_ratio) alone could overflow.
    far = (np.exp(np.log(probs) + log_ratios) - probs) ** 2 / probs
    return np.where(np.abs(log_ratios) < _DIRECT_LIMIT, near, far)
