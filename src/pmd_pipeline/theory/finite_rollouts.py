"""How far baselines estimated from a group of n rollouts are from their population values.

Binary rewards: everything about a group is its number of successes, so that exact moments are sums
over a binomial distribution.
"""

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.config.theory import PmdMethod, RolloutBaseline
from pmd_pipeline.theory.arrays import FloatArray
from pmd_pipeline.theory.binary import binary_inputs, solve_binary

METHOD_OF_BASELINE: dict[RolloutBaseline, PmdMethod] = {
    "mean": "pmd_mean",
    "leave_one_out_mean": "pmd_mean",
    "log_partition": "pmd_part",
    "leave_one_out_log_partition": "pmd_part",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineMoments:
    """Exact moments of an estimated baseline, given the reward of the rollout it is used for.

    All arrays have the shape of ``p``. Rewards, biases and variances are in reward units (squared
    for variances), ``squared_log_ratio_error`` in nats squared.

    Attributes:
        target: Population value: mean reward or log-partition.
        mean_given_success: Expected baseline of a right rollout.
        mean_given_failure: Expected baseline of a wrong rollout.
        variance_given_success: Its variance, for a right rollout.
        variance_given_failure: Its variance, for a wrong rollout.
        bias_given_success: ``mean_given_success - target``.
        bias_given_failure: ``mean_given_failure - target``.
        squared_error: Mean squared error over rollouts, reward units squared.
        squared_log_ratio_error: ``squared_error / tau ** 2``: the error of the regression target.
        prefactor: ``exp(B_+)``, B_+ the largest log-ratio of the exact update.
        scaled_error: ``prefactor * squared_log_ratio_error``, what enters the one-step bound.
    """

    target: FloatArray
    mean_given_success: FloatArray
    mean_given_failure: FloatArray
    variance_given_success: FloatArray
    variance_given_failure: FloatArray
    bias_given_success: FloatArray
    bias_given_failure: FloatArray
    squared_error: FloatArray
    squared_log_ratio_error: FloatArray
    prefactor: FloatArray
    scaled_error: FloatArray


def baseline_moments(
    p: ArrayLike,
    group_size: int,
    tau: float,
    baseline: RolloutBaseline,
    *,
    reward_low: float = 0.0,
    reward_high: float = 1.0,
) -> BaselineMoments:
    """Return bias, variance and mean squared error of a baseline, by summing the binomial.

    Args:
        p: Success probability, inside (0, 1), any shape.
        group_size: n, at least 2.
        tau: Reward units per nat, positive.
        baseline: ``"mean"`` or ``"log_partition"`` over all n rollouts, or their leave-one-out
            forms over the n - 1 others.
        reward_low: Reward of a wrong rollout.
        reward_high: Reward of a right one.

    Raises:
        ValueError: If an input is out of range.

    Source: the target error of arXiv:2602.05933, Figure 3; the sums are ours.
    """
    # It takes a second of CPU time to import, and the rest of the theory does without.
    from scipy.stats import binom

    p_all, tau_all, low, high = binary_inputs(p, tau, reward_low, reward_high)
    given_failure, given_success = baseline_by_successes(
        group_size, tau, baseline, reward_low=low, reward_high=high
    )
    # Successes among the n - 1 other rollouts; with a right rollout itself the group has one more.
    others = binom.pmf(np.arange(group_size), group_size - 1, p_all[..., None])
    target, prefactor = _target_and_prefactor(p_all, tau_all, baseline, low, high)

    def moments(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        mean = (others * values).sum(axis=-1)
        variance = (others * (values - mean[..., None]) ** 2).sum(axis=-1)
        squared_error = (others * (values - target[..., None]) ** 2).sum(axis=-1)
        return mean, variance, squared_error

    mean_success, variance_success, error_success = moments(given_success[1:])
    mean_failure, variance_failure, error_failure = moments(given_failure[:-1])
    squared_error = p_all * error_success + (1.0 - p_all) * error_failure
    return BaselineMoments(
        target=target,
        mean_given_success=mean_success,
        mean_given_failure=mean_failure,
        variance_given_success=variance_success,
        variance_given_failure=variance_failure,
        bias_given_success=mean_success - target,
        bias_given_failure=mean_failure - target,
        squared_error=squared_error,
        squared_log_ratio_error=squared_error / tau_all**2,
        prefactor=prefactor,
        scaled_error=prefactor * squared_error / tau_all**2,
    )


def simulate_target_error(
    p: ArrayLike,
    group_size: int,
    tau: float,
    baseline: RolloutBaseline,
    *,
    num_seeds: int,
    seed: int,
    reward_low: float = 0.0,
    reward_high: float = 1.0,
) -> FloatArray:
    """Return the squared error of the regression targets in sampled groups, nats squared.

    Args:
        p: Success probability, inside (0, 1), any shape.
        group_size: n, at least 2.
        tau: Reward units per nat, positive.
        baseline: As in `baseline_moments`.
        num_seeds: Independent groups per success probability.
        seed: Decides the draws.
        reward_low: Reward of a wrong rollout.
        reward_high: Reward of a right one.

    Returns:
        Mean over the rollouts of each group, [num_seeds, *shape of p]; its expectation is
        `BaselineMoments.squared_log_ratio_error`.

    Raises:
        ValueError: If an input is out of range.
    """
    if num_seeds < 1:
        raise ValueError(f"num_seeds must be at least 1; found {num_seeds}")
    p_all, tau_all, low, high = binary_inputs(p, tau, reward_low, reward_high)
    given_failure, given_success = baseline_by_successes(
        group_size, tau, baseline, reward_low=low, reward_high=high
    )
    target, _ = _target_and_prefactor(p_all, tau_all, baseline, low, high)
    generator = np.random.default_rng(seed)
    successes = generator.binomial(group_size, p_all, size=(num_seeds, *p_all.shape))
    # A weight of zero meets the entries of impossible groups; 0 * nan would spoil the sum.
    success_error = np.nan_to_num((given_success[successes] - target) ** 2)
    failure_error = np.nan_to_num((given_failure[successes] - target) ** 2)
    share = successes / group_size
    return np.asarray((share * success_error + (1.0 - share) * failure_error) / tau_all**2)


def baseline_by_successes(
    group_size: int,
    tau: float,
    baseline: RolloutBaseline,
    *,
    reward_low: float = 0.0,
    reward_high: float = 1.0,
) -> tuple[FloatArray, FloatArray]:
    """Return the baseline of a wrong and of a right rollout in a group with k successes.

    Args:
        group_size: n, at least 2.
        tau: Reward units per nat, positive.
        baseline: As in `baseline_moments`.
        reward_low: Reward of a wrong rollout.
        reward_high: Reward of a right one.

    Returns:
        Two arrays over k = 0..n, reward units, [n + 1]; NaN where a group has no such rollout.

    Raises:
        ValueError: If the group size is below 2, tau is not positive or the baseline is unknown.
    """
    if group_size < 2:
        raise ValueError(f"group_size must be at least 2; found {group_size}")
    if baseline not in get_args(RolloutBaseline):
        raise ValueError(
            f"unknown baseline {baseline!r}; choose one of {', '.join(get_args(RolloutBaseline))}"
        )
    _, tau_array, low, high = binary_inputs(0.5, tau, reward_low, reward_high)
    is_mean = METHOD_OF_BASELINE[baseline] == "pmd_mean"
    leaves_out = int(baseline.startswith("leave_one_out"))
    size = group_size - leaves_out
    k = np.arange(group_size + 1)
    counted_by_failure, counted_by_success = k.astype(float), (k - leaves_out).astype(float)
    counted_by_failure[-1], counted_by_success[0] = np.nan, np.nan
    evaluate = _mean_reward if is_mean else _group_log_partition
    given_failure, given_success = (
        evaluate(counted, size, float(tau_array), low, high)
        for counted in (counted_by_failure, counted_by_success)
    )
    return given_failure, given_success


def _mean_reward(
    successes: FloatArray, size: int, tau: float, low: float, high: float
) -> FloatArray:
    return low + (high - low) * successes / size


def _group_log_partition(
    successes: FloatArray, size: int, tau: float, low: float, high: float
) -> FloatArray:
    """Return ``tau * log(mean of exp(r / tau))`` of groups with so many successes."""
    share = successes / size
    # Written from the higher reward down, so that exp(1 / tau) is never formed.
    some = np.maximum(share, 1.0 / size)
    from_high = np.log(some) + np.log1p((1.0 - some) / some * np.exp(-(high - low) / tau))
    result = np.where(share > 0, high + tau * from_high, low)
    return np.where(np.isnan(share), np.nan, result)


def _target_and_prefactor(
    p: FloatArray, tau: FloatArray, baseline: RolloutBaseline, low: float, high: float
) -> tuple[FloatArray, FloatArray]:
    """Return the population baseline and ``exp(B_+)`` of the exact update."""
    method = METHOD_OF_BASELINE[baseline]
    exact = solve_binary(p, tau, method=method, reward_low=low, reward_high=high)
    target = low + p * (high - low) if method == "pmd_mean" else np.asarray(exact.log_partition)
    return np.asarray(target), np.exp(np.asarray(exact.success_log_ratio))
