"""Binary rewards: the exact updates as functions of the success probability alone.

With two reward values the ratio new / old depends on the reward only, so that a prompt with any
number of responses is a problem with two actions: right and wrong.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.config.theory import PmdMethod
from pmd_pipeline.theory.arrays import (
    FloatArray,
    FloatOrArray,
    finite_array,
    positive_array,
    success_probability_array,
)
from pmd_pipeline.theory.population import PopulationSolution, solve_pmd, solve_pmd_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class BinarySolution:
    """An exact update for binary rewards.

    All fields have the broadcast shape of ``p`` and ``tau``; numbers when both are numbers.

    Attributes:
        success_log_ratio: s+, the log-ratio of every right response, nats.
        failure_log_ratio: s-, the log-ratio of every wrong response, nats; ``exp(s-)`` is the
            factor by which the failure gap ``1 - p`` shrinks.
        lam: Multiplier lambda; 0 for PMD-part.
        new_success_probability: Success probability after the update.
        log_partition: ``tau * log E exp(r / tau)``, reward units.
        kl: KL(new || old), nats.
        reverse_kl: KL(old || new), nats.
        chi2: chi-squared(new || old).
    """

    success_log_ratio: FloatOrArray
    failure_log_ratio: FloatOrArray
    lam: FloatOrArray
    new_success_probability: FloatOrArray
    log_partition: FloatOrArray
    kl: FloatOrArray
    reverse_kl: FloatOrArray
    chi2: FloatOrArray


def solve_binary(
    p: ArrayLike,
    tau: ArrayLike,
    *,
    method: PmdMethod,
    reward_low: float = 0.0,
    reward_high: float = 1.0,
    baseline: ArrayLike | None = None,
) -> BinarySolution:
    """Return the exact update of PMD-mean or PMD-part for binary rewards.

    Args:
        p: Success probability under pi_t, inside (0, 1); broadcast with ``tau``.
        tau: Reward units per nat, positive.
        method: ``"pmd_mean"`` or ``"pmd_part"``.
        reward_low: Reward of a wrong response.
        reward_high: Reward of a right one; above ``reward_low``.
        baseline: For PMD-mean, a baseline other than the mean reward; see `solve_pmd_mean`.

    Returns:
        The update.

    Raises:
        ValueError: If an input is out of range, or a baseline is given for PMD-part.

    Source: arXiv:2602.05933, Theorem 3.1 with two reward values.
    """
    if method == "pmd_part" and baseline is not None:
        raise ValueError("baseline belongs to pmd_mean; pmd_part has the log-partition")
    p_all, tau_all, low, high = binary_inputs(p, tau, reward_low, reward_high)
    shape = p_all.shape
    probs = np.stack([p_all.ravel(), 1.0 - p_all.ravel()], axis=-1)
    rewards = np.broadcast_to([high, low], probs.shape)
    if baseline is None:
        solution = solve_pmd(probs, rewards, tau_all.ravel(), method=method)
    else:
        b = np.broadcast_to(finite_array("baseline", baseline), shape).ravel()
        solution = solve_pmd_mean(probs, rewards, tau_all.ravel(), baseline=b)
    return _reshape(solution, shape)


def binary_log_partition(
    p: ArrayLike, tau: ArrayLike, *, reward_low: float = 0.0, reward_high: float = 1.0
) -> FloatOrArray:
    """Return ``tau * log E exp(r / tau)`` for binary rewards, reward units.

    Args and errors as for `solve_binary`.
    """
    return solve_binary(
        p, tau, method="pmd_part", reward_low=reward_low, reward_high=reward_high
    ).log_partition


def binary_inputs(
    p: ArrayLike, tau: ArrayLike, reward_low: float, reward_high: float
) -> tuple[FloatArray, FloatArray, float, float]:
    """Return checked ``p`` and ``tau``, broadcast against each other, and the two rewards.

    Raises:
        ValueError: If p is not inside (0, 1), tau is not positive, the shapes do not broadcast, or
            the rewards are not finite with low < high.
    """
    p_array = success_probability_array(p)
    tau_array = positive_array("tau", tau)
    low, high = finite_array("rewards", [reward_low, reward_high])
    if low >= high:
        raise ValueError(
            f"reward_high must exceed reward_low; found {reward_high} and {reward_low}"
        )
    try:
        p_all, tau_all = np.broadcast_arrays(p_array, tau_array)
    except ValueError as error:
        raise ValueError(
            f"p and tau must broadcast; found shapes {p_array.shape} and {tau_array.shape}"
        ) from error
    return p_all, tau_all, float(low), float(high)


def _reshape(solution: PopulationSolution, shape: tuple[int, ...]) -> BinarySolution:
    """Give the [G] and [G, 2] results the caller's shape."""

    def shaped(values: FloatOrArray) -> FloatOrArray:
        array = np.asarray(values).reshape(shape)
        return array if shape else float(array)

    return BinarySolution(
        success_log_ratio=shaped(solution.log_ratios[:, 0]),
        failure_log_ratio=shaped(solution.log_ratios[:, 1]),
        lam=shaped(solution.lam),
        new_success_probability=shaped(solution.probs[:, 0]),
        log_partition=shaped(solution.log_partition),
        kl=shaped(solution.kl),
        reverse_kl=shaped(solution.reverse_kl),
        chi2=shaped(solution.chi2),
    )
