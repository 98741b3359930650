"""What the exact updates tend to for small and for large tau, and how the failure gap contracts."""

from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.config.theory import PmdMethod
from pmd_pipeline.theory.arrays import FloatArray, FloatOrArray
from pmd_pipeline.theory.binary import binary_inputs, solve_binary
from pmd_pipeline.theory.problem import bandit_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryLimit:
    """Leading terms of a binary update; the fields are those of `BinarySolution`."""

    success_log_ratio: FloatOrArray
    failure_log_ratio: FloatOrArray
    lam: FloatOrArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGapContraction:
    """Factors ``(1 - p_{t+1}) / (1 - p_t)`` of one exact update with binary rewards.

    Attributes:
        pmd_mean: Exact factor of PMD-mean.
        pmd_mean_bound: ``exp(-p * R / tau)``, which it never exceeds and tends to as tau -> 0.
        pmd_part: Exact factor of PMD-part, ``1 / (1 + p * (exp(R / tau) - 1))``.
    """

    pmd_mean: FloatOrArray
    pmd_mean_bound: FloatOrArray
    pmd_part: FloatOrArray


def failure_gap_contraction(
    p: ArrayLike, tau: ArrayLike, *, reward_low: float = 0.0, reward_high: float = 1.0
) -> FailureGapContraction:
    """Return by how much one exact update shrinks the failure probability.

    Args:
        p: Success probability, inside (0, 1); broadcast with ``tau``.
        tau: Reward units per nat, positive.
        reward_low: Reward of a wrong response.
        reward_high: Reward of a right one.

    Raises:
        ValueError: As `solve_binary`.

    Source: arXiv:2602.05933, Propositions 4.7 and 4.8 (statements reconstructed, docs/theory.md).
    """
    p_all, tau_all, low, high = binary_inputs(p, tau, reward_low, reward_high)
    mean, part = (
        solve_binary(p_all, tau_all, method=method, reward_low=low, reward_high=high)
        for method in ("pmd_mean", "pmd_part")
    )
    return FailureGapContraction(
        pmd_mean=_number(np.exp(mean.failure_log_ratio)),
        pmd_mean_bound=_number(np.exp(-p_all * (high - low) / tau_all)),
        pmd_part=_number(np.exp(part.failure_log_ratio)),
    )


def binary_small_tau_limit(
    p: ArrayLike,
    tau: ArrayLike,
    *,
    method: PmdMethod,
    reward_low: float = 0.0,
    reward_high: float = 1.0,
) -> BinaryLimit:
    """Return the leading terms for ``tau`` far below ``p * R`` (R the reward gap).

    The error of every field falls like ``exp(-p * R / tau)`` for PMD-mean (times 1/tau) and like
    ``exp(-R / tau) / p`` for PMD-part.

    Args and errors as for `solve_binary`.

    Source: arXiv:2602.05933, Propositions 4.9 and 4.10 (statements reconstructed, docs/theory.md).
    """
    p_all, tau_all, low, high = binary_inputs(p, tau, reward_low, reward_high)
    scaled_gap = (high - low) / tau_all
    success = -np.log(p_all)
    match method:
        case "pmd_mean":
            failure = -p_all * scaled_gap
            lam = p_all * ((1.0 - p_all) * scaled_gap + np.log(p_all))
        case "pmd_part":
            failure = -scaled_gap + success
            lam = np.zeros_like(p_all)
        case _:
            assert_never(method)
    return BinaryLimit(
        success_log_ratio=_number(success), failure_log_ratio=_number(failure), lam=_number(lam)
    )


def binary_large_tau_limit(
    p: ArrayLike,
    tau: ArrayLike,
    *,
    method: PmdMethod,
    reward_low: float = 0.0,
    reward_high: float = 1.0,
) -> BinaryLimit:
    """Return the expansion in 1/tau up to third order; the error is of fourth order.

    The two methods differ from third order on, by ``-k2 * d / 2`` with k2 the variance of the
    centred reward over tau.

    Args and errors as for `solve_binary`.
    """
    p_all, tau_all, low, high = binary_inputs(p, tau, reward_low, reward_high)
    scaled_gap = (high - low) / tau_all
    d_success, d_failure = (1.0 - p_all) * scaled_gap, -p_all * scaled_gap
    k2 = p_all * (1.0 - p_all) * scaled_gap**2
    k3 = k2 * (1.0 - 2.0 * p_all) * scaled_gap
    lam = k2 / 2.0 + k3 / 6.0  # equals the centred log-partition to this order
    match method:
        case "pmd_mean":
            slope, multiplier = 1.0 - k2 / 2.0, lam
        case "pmd_part":
            slope, multiplier = np.ones_like(k2), np.zeros_like(lam)
        case _:
            assert_never(method)
    return BinaryLimit(
        success_log_ratio=_number(d_success * slope - lam),
        failure_log_ratio=_number(d_failure * slope - lam),
        lam=_number(multiplier),
    )


def pmd_mean_small_tau_policy(probs: ArrayLike, rewards: ArrayLike) -> FloatArray:
    """Return the policy that PMD-mean tends to as tau -> 0: ``pi_t * (r - mean)_+``, normalised.

    It is not greedy: every action better than the mean keeps mass in proportion to its advantage,
    because a chi-squared term of weight ``tau * lambda`` survives.

    Args:
        probs: Policy pi_t, [K] or [G, K].
        rewards: Same shape.

    Returns:
        New policy, same shape; pi_t itself where all rewards are equal.

    Raises:
        ValueError: If the input is malformed.
    """
    problem = bandit_problem(probs, rewards, 1.0)
    weights = problem.probs * np.maximum(problem.centred, 0.0)
    weights[problem.is_constant] = problem.probs[problem.is_constant]
    policy: FloatArray = weights / weights.sum(axis=-1, keepdims=True)
    return policy if problem.is_batched else policy[0]


def _number(values: FloatArray) -> FloatOrArray:
    """Return a float for a 0-d array."""
    array = np.asarray(values)
    return array if array.shape else float(array)
