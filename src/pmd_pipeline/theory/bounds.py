"""Bounds of the PMD-mean update that need no solving."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.theory.arrays import FloatArray, FloatOrArray, log_sum_exp_rows
from pmd_pipeline.theory.population import solve_pmd_part
from pmd_pipeline.theory.problem import bandit_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class PmdMeanBounds:
    """Bounds of a PMD-mean update; numbers for one problem, [G] for a batch.

    Attributes:
        lam_low: Lower bound of lambda, the larger of a tangent and of a best-action bound.
        lam_high: Upper bound of lambda, the smaller of ``log E exp(d)`` and ``max d``, where
            ``d = (r - mean) / tau``. The solution, once known, has the tighter bound
            ``log E exp(d) / (1 + chi2)``.
        log_ratio_low: Lower bound of every log-ratio: the smallest one of PMD-part, nats.
        log_ratio_high: Upper bound of every log-ratio: the largest one of PMD-part, nats.
    """

    lam_low: FloatOrArray
    lam_high: FloatOrArray
    log_ratio_low: FloatOrArray
    log_ratio_high: FloatOrArray


def pmd_mean_bounds(probs: ArrayLike, rewards: ArrayLike, tau: ArrayLike) -> PmdMeanBounds:
    """Return bounds of lambda and of the log-ratios of PMD-mean.

    Args:
        probs: Policy pi_t, [K] or [G, K]; positive, rows sum to one.
        rewards: Same shape.
        tau: Reward units per nat; one positive number, or [G].

    Raises:
        ValueError: If the input is malformed.

    Source: derived in docs/theory.md from the convexity of ``log E exp(d - W(l * exp(d)))`` in l.
    """
    problem = bandit_problem(probs, rewards, tau)
    part = solve_pmd_part(problem.probs, problem.relative_rewards, problem.tau)
    log_mass = problem.centred_log_partition()
    d_max = problem.centred.max(axis=-1)
    is_best = problem.relative_rewards == problem.relative_rewards.max(axis=-1, keepdims=True)
    best_mass = (problem.probs * is_best).sum(axis=-1)
    best_action = best_mass * (d_max + np.log(best_mass))
    log_second_moment = log_sum_exp_rows(problem.log_probs + 2.0 * problem.centred)
    tangent = log_mass * np.exp(log_mass - log_second_moment)
    lam_low = np.where(problem.is_constant, 0.0, np.maximum(tangent, best_action))

    def scalar(values: FloatArray) -> FloatOrArray:
        return values if problem.is_batched else float(values[0])

    return PmdMeanBounds(
        lam_low=scalar(lam_low),
        lam_high=scalar(np.maximum(np.minimum(log_mass, d_max), 0.0)),
        log_ratio_low=scalar(part.log_ratios.min(axis=-1)),
        log_ratio_high=scalar(part.log_ratios.max(axis=-1)),
    )
