"""Tidy tables behind the theory figures: one row per point, one column per fact."""

from collections.abc import Sequence
from functools import partial
from typing import get_args

import numpy as np
import pandas as pd

from pmd_pipeline.config.theory import (
    LaboratoryConfig,
    LaboratoryMethod,
    PmdMethod,
    RolloutBaseline,
)
from pmd_pipeline.theory.arrays import FloatArray
from pmd_pipeline.theory.binary import binary_log_partition, solve_binary
from pmd_pipeline.theory.finite_rollouts import baseline_moments, simulate_target_error
from pmd_pipeline.theory.laboratory import GradientSteps, LaboratoryRun, run_laboratory
from pmd_pipeline.theory.limits import pmd_mean_small_tau_policy
from pmd_pipeline.theory.population import solve_pmd

METHODS: tuple[PmdMethod, ...] = get_args(PmdMethod)

_ESTIMATES: dict[tuple[PmdMethod, bool], RolloutBaseline] = {
    ("pmd_mean", False): "mean",
    ("pmd_mean", True): "leave_one_out_mean",
    ("pmd_part", False): "log_partition",
    ("pmd_part", True): "leave_one_out_log_partition",
}

BAND = (0.1, 0.9)
"""Quantiles over seeds between which a laboratory curve is shaded."""


def log_partition_table(p: FloatArray, taus: Sequence[float]) -> pd.DataFrame:
    """Return the scaled log-partition for rewards 0 and 1 (Figure 1, left).

    Returns:
        Columns ``tau, p, mean_reward, scaled_log_partition, gap``.

    Raises:
        ValueError: If a probability is not inside (0, 1) or a tau not positive.
    """
    frames = []
    for tau in taus:
        scaled = np.asarray(binary_log_partition(p, tau))
        frames.append(
            pd.DataFrame(
                {
                    "tau": tau,
                    "p": p,
                    "mean_reward": p,
                    "scaled_log_partition": scaled,
                    "gap": scaled - p,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def simplex_table(
    probs: Sequence[float], rewards: Sequence[float], taus: Sequence[float], marked_tau: float
) -> pd.DataFrame:
    """Return both methods' solutions for three actions over tau (Figure 1, right).

    Returns:
        Columns ``method, role, tau, probability_1..3, reward_1..3, expected_reward``. ``role`` is
        ``path``, ``solution`` (at ``marked_tau``), ``initial`` (tau infinity) or
        ``small_tau_limit`` (tau 0).

    Raises:
        ValueError: If there are not three actions, or an input is malformed.
    """
    if len(probs) != 3 or len(rewards) != 3:
        raise ValueError(
            f"the simplex figure needs three actions; found {len(probs)} and {len(rewards)}"
        )
    initial, reward = np.asarray(probs, dtype=np.float64), np.asarray(rewards, dtype=np.float64)
    best = initial * (reward == reward.max())
    limits = {
        "pmd_mean": pmd_mean_small_tau_policy(initial, reward),
        "pmd_part": best / best.sum(),
    }
    rows = []
    for method in METHODS:
        solve = partial(solve_pmd, method=method)
        points = [("initial", np.inf, initial), ("small_tau_limit", 0.0, limits[method])]
        points += [("path", tau, solve(initial, reward, tau).probs) for tau in taus]
        points.append(("solution", marked_tau, solve(initial, reward, marked_tau).probs))
        rows += [
            {
                "method": method,
                "role": role,
                "tau": tau,
                **{f"probability_{i + 1}": policy[i] for i in range(3)},
                **{f"reward_{i + 1}": reward[i] for i in range(3)},
                "expected_reward": float(policy @ reward),
            }
            for role, tau, policy in points
        ]
    return pd.DataFrame(rows)


def log_ratio_table(p: FloatArray, taus: Sequence[float]) -> pd.DataFrame:
    """Return log-ratios of right and wrong responses for rewards 0 and 1 (Figure 2).

    Returns:
        Columns ``method, tau, p, response, log_ratio`` with ``response`` ``right`` or ``wrong``.

    Raises:
        ValueError: If a probability is not inside (0, 1) or a tau not positive.
    """
    frames = []
    for method in METHODS:
        for tau in taus:
            solution = solve_binary(p, tau, method=method)
            for response, log_ratio in (
                ("right", solution.success_log_ratio),
                ("wrong", solution.failure_log_ratio),
            ):
                frames.append(
                    pd.DataFrame(
                        {
                            "method": method,
                            "tau": tau,
                            "p": p,
                            "response": response,
                            "log_ratio": log_ratio,
                        }
                    )
                )
    return pd.concat(frames, ignore_index=True)


def estimation_error_table(
    p: FloatArray,
    group_sizes: Sequence[int],
    tau: float,
    *,
    num_seeds: int,
    seed: int,
    leave_one_out: bool = True,
) -> pd.DataFrame:
    """Return the error of estimated targets for rewards 0 and 1 (Figure 3).

    Returns:
        Columns ``method, group_size, p, prefactor, exact_error, simulated_error,
        exact_scaled_error, simulated_scaled_error``; errors in nats squared, simulated ones the
        mean over seeds, scaled ones times ``prefactor = exp(B_+)``.

    Raises:
        ValueError: If an input is out of range.
    """
    frames = []
    for method in METHODS:
        baseline = _ESTIMATES[method, leave_one_out]
        for group_size in group_sizes:
            exact = baseline_moments(p, group_size, tau, baseline)
            simulated = simulate_target_error(
                p, group_size, tau, baseline, num_seeds=num_seeds, seed=seed
            ).mean(axis=0)
            frames.append(
                pd.DataFrame(
                    {
                        "method": method,
                        "group_size": group_size,
                        "p": p,
                        "prefactor": exact.prefactor,
                        "exact_error": exact.squared_log_ratio_error,
                        "simulated_error": simulated,
                        "exact_scaled_error": exact.scaled_error,
                        "simulated_scaled_error": exact.prefactor * simulated,
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def laboratory_table(config: LaboratoryConfig, *, seed: int) -> pd.DataFrame:
    """Return the laboratory's curves, exact and with sampled groups.

    Returns:
        Columns ``method, rollouts, round, quantity, mean, median, low, high``: ``rollouts`` is
        ``exact`` or ``sampled``; ``quantity`` is ``expected_reward``, ``reward_gap`` (to the best
        reward), ``kl``, ``chi2``, ``min_log_ratio`` or ``max_log_ratio``; median, low and high (the
        quantiles ``BAND``) are over seeds.
    """
    frames = []
    methods: tuple[LaboratoryMethod, ...] = get_args(LaboratoryMethod)
    for method in methods:
        is_gradient = method == "group_standardised"
        steps = GradientSteps(
            num_updates=config.num_updates,
            learning_rate=(
                config.policy_gradient_learning_rate if is_gradient else config.learning_rate
            ),
            clip=config.clip,
        )
        for rollouts, group_size in (("exact", None), ("sampled", config.group_size)):
            run = run_laboratory(
                config.probs,
                config.rewards,
                method=method,
                tau=config.tau,
                num_rounds=config.num_rounds,
                group_size=group_size,
                num_seeds=config.num_seeds,
                seed=seed,
                steps=steps,
            )
            best = max(config.rewards)
            frames.append(_run_table(run, best).assign(method=method, rollouts=rollouts))
    columns = ["method", "rollouts", "round", "quantity", "mean", "median", "low", "high"]
    return pd.concat(frames, ignore_index=True)[columns]


def _run_table(run: LaboratoryRun, best_reward: float) -> pd.DataFrame:
    """Return one run's quantities by round: mean, median and quantiles over replicates."""
    quantities = {
        "expected_reward": run.expected_reward,
        # Rounding can lift the expectation above the best reward.
        "reward_gap": np.maximum(best_reward - run.expected_reward, 0.0),
        "kl": run.kl,
        "chi2": run.chi2,
        "min_log_ratio": run.min_log_ratio,
        "max_log_ratio": run.max_log_ratio,
    }
    num_rounds = len(run.kl)
    frames = []
    for quantity, values in quantities.items():
        low, high = np.quantile(values, BAND, axis=1)
        first = num_rounds + 1 - len(values)  # round 0 is the initial policy
        frames.append(
            pd.DataFrame(
                {
                    "round": np.arange(first, num_rounds + 1),
                    "quantity": quantity,
                    "mean": values.mean(axis=1),
                    "median": np.median(values, axis=1),
                    "low": low,
                    "high": high,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
