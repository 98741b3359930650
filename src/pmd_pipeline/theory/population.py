"""Exact population updates of PMD-mean and PMD-part for finitely many actions."""

from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.config.theory import PmdMethod
from pmd_pipeline.theory.arrays import FloatArray, FloatOrArray, log_sum_exp_rows, row_sums
from pmd_pipeline.theory.divergences import chi2_terms, kl_terms, reverse_kl_terms
from pmd_pipeline.theory.multiplier import log_ratios_at, solve_log_multiplier
from pmd_pipeline.theory.problem import BanditProblem, bandit_problem, per_problem

BASELINE_TOLERANCE = 1e-12
"""How far, relative to the largest reward difference over tau, a baseline may pass the
log-partition by rounding; lambda is 0 there."""

_EXPONENT_LIMIT = 700.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationSolution:
    """An exact update pi_t -> pi_{t+1} and what it costs.

    Shapes: arrays are [K] and the others numbers for one problem; [G, K] and [G] for a batch.

    Attributes:
        probs: New policy; may underflow to 0 where ``log_ratios`` stays exact.
        log_ratios: log pi_{t+1} - log pi_t, nats.
        lam: Multiplier lambda >= 0: the weight of the chi-squared term is ``tau * lam / 2``;
            0 for PMD-part.
        baseline: What was subtracted from the rewards, reward units.
        log_partition: ``tau * log E_t exp(r / tau)``, reward units, whatever the baseline.
        kl: KL(pi_{t+1} || pi_t), nats.
        reverse_kl: KL(pi_t || pi_{t+1}), nats; equals ``lam`` for the mean baseline.
        chi2: chi-squared(pi_{t+1} || pi_t), the mean under pi_t of ``(ratio - 1) ** 2``.
        mean_reward: Expected reward of pi_t.
        expected_reward: Expected reward of pi_{t+1}.
        mixed_objective: ``expected_reward - tau * kl - tau * lam / 2 * chi2``, which pi_{t+1}
            maximises over all policies with ``lam`` held fixed.
    """

    probs: FloatArray
    log_ratios: FloatArray
    lam: FloatOrArray
    baseline: FloatOrArray
    log_partition: FloatOrArray
    kl: FloatOrArray
    reverse_kl: FloatOrArray
    chi2: FloatOrArray
    mean_reward: FloatOrArray
    expected_reward: FloatOrArray
    mixed_objective: FloatOrArray


def solve_pmd_mean(
    probs: ArrayLike, rewards: ArrayLike, tau: ArrayLike, *, baseline: ArrayLike | None = None
) -> PopulationSolution:
    """Return the policy that minimises ``E_t[(log ratio - (r - baseline) / tau) ** 2]``.

    It is ``pi_t * exp(d - W(lam * exp(d)))`` with ``d = (r - baseline) / tau``, W the Lambert W
    function and ``lam >= 0`` such that it sums to one.

    Args:
        probs: Policy pi_t, [K] or [G, K]; positive, rows sum to one.
        rewards: Same shape.
        tau: Reward units per nat; one positive number, or [G].
        baseline: Reward units, one number or [G], not above the log-partition; the mean reward
            when None.

    Returns:
        The solution; log-ratios to about 1e-14 relative, lambda to about 1e-13 relative.

    Raises:
        ValueError: If the input is malformed, or a baseline lies above the log-partition, where
            lambda would be negative and the minimiser not unique.

    Source: arXiv:2602.05933, Theorem 3.1; other baselines by the same derivation.
    """
    problem = bandit_problem(probs, rewards, tau)
    if baseline is None:
        shift = np.zeros(len(problem.tau))  # of the targets' mean, nats
    else:
        b = per_problem("baseline", baseline, len(problem.tau), problem.is_batched)
        relative = b - problem.reference
        shift = (problem.mean_relative_reward - relative) / problem.tau
        _check_baseline(problem, b, shift)
    targets = problem.centred + shift[:, None]
    lam = np.maximum(shift, 0.0)  # exact where all rewards are equal
    log_ratios = np.zeros_like(targets)
    rows = np.flatnonzero(~problem.is_constant)
    if rows.size:
        u = solve_log_multiplier(problem.log_probs[rows], targets[rows], mean_target=shift[rows])
        lam[rows] = np.exp(u)
        solved, _ = log_ratios_at(u, targets[rows])
        at_zero = np.isneginf(u)
        if at_zero.any():  # the baseline is the log-partition up to rounding
            solved[at_zero] = _part_log_ratios(problem)[rows[at_zero]]
        log_ratios[rows] = _sharpen(problem.probs[rows], solved, targets[rows])
    return _solution(problem, log_ratios, lam, problem.mean_relative_reward - problem.tau * shift)


def solve_pmd_part(probs: ArrayLike, rewards: ArrayLike, tau: ArrayLike) -> PopulationSolution:
    """Return the policy that maximises ``E[r] - tau * KL(policy || pi_t)``.

    It is ``pi_t * exp(r / tau) / Z``, the ideal policy mirror descent step.

    Args:
        probs: Policy pi_t, [K] or [G, K]; positive, rows sum to one.
        rewards: Same shape.
        tau: Reward units per nat; one positive number, or [G].

    Returns:
        The solution, with ``lam = 0`` and the log-partition as its baseline.

    Raises:
        ValueError: If the input is malformed.

    Source: arXiv:2602.05933, section 2 (PMD-part).
    """
    problem = bandit_problem(probs, rewards, tau)
    log_ratios = _part_log_ratios(problem)
    lam = np.zeros(len(problem.tau))
    return _solution(problem, log_ratios, lam, problem.tau * problem.relative_log_partition())


def solve_pmd(
    probs: ArrayLike, rewards: ArrayLike, tau: ArrayLike, *, method: PmdMethod
) -> PopulationSolution:
    """Return the exact update of either method; see `solve_pmd_mean` and `solve_pmd_part`."""
    match method:
        case "pmd_mean":
            return solve_pmd_mean(probs, rewards, tau)
        case "pmd_part":
            return solve_pmd_part(probs, rewards, tau)
        case _:
            assert_never(method)


def _part_log_ratios(problem: BanditProblem) -> FloatArray:
    """Return ``r / tau - log Z``, [G, K]."""
    log_partition = problem.centred_log_partition()[:, None]
    from_mean = problem.centred - log_partition
    best = problem.relative_rewards.max(axis=-1, keepdims=True)
    below = (problem.relative_rewards - best) / problem.tau[:, None]
    from_best = below - log_sum_exp_rows(problem.log_probs + below)[:, None]
    # Large targets would cancel in the best actions; small ones are finer around the mean.
    log_ratios = np.where(log_partition > 0.5, from_best, from_mean)
    return _sharpen(problem.probs, log_ratios, problem.centred)


def _sharpen(probs: FloatArray, log_ratios: FloatArray, targets: FloatArray) -> FloatArray:
    """Recompute the most probable action's log-ratio from the others where that is more exact.

    The probabilities sum to one, so that ``x - 1`` of one action is minus the weighted sum of the
    others'. For an action that is nearly certain this is a sum of small terms, where ``d - w`` is a
    difference of large ones.
    """
    rows = np.arange(len(probs))
    best = probs.argmax(axis=-1)
    changes = probs * np.expm1(log_ratios.clip(max=_EXPONENT_LIMIT))
    changes[rows, best] = 0.0
    relative_change = -row_sums(changes) / probs[rows, best]
    # In units of the rounding error: of the sum above, and of `d - w`.
    error_of_sum = row_sums(np.abs(changes))
    error_of_difference = np.abs(targets[rows, best])
    better = (error_of_sum < 0.25 * error_of_difference) & (relative_change > -0.5)
    result = log_ratios.copy()
    result[rows[better], best[better]] = np.log1p(relative_change[better])
    return result


def _check_baseline(problem: BanditProblem, baseline: FloatArray, shift: FloatArray) -> None:
    """Raise unless every baseline is at most the log-partition, up to rounding."""
    gap = problem.centred_log_partition() + shift
    slack = BASELINE_TOLERANCE * (1.0 + np.abs(problem.centred).max(axis=-1))
    bad = np.flatnonzero(gap < -slack)
    if bad.size:
        row = int(bad[0])
        limit = problem.reference[row] + problem.tau[row] * problem.relative_log_partition()[row]
        raise ValueError(
            f"baseline must not exceed the log-partition: found {baseline[row]} against {limit} "
            f"in row {row}. Above it lambda is negative and the minimiser is not unique"
        )


def _solution(
    problem: BanditProblem, log_ratios: FloatArray, lam: FloatArray, relative_baseline: FloatArray
) -> PopulationSolution:
    """Derive everything else from the log-ratios and lambda."""
    p = problem.probs
    new_probs = np.exp(problem.log_probs + log_ratios)
    kl = row_sums(kl_terms(p, log_ratios))
    chi2 = row_sums(chi2_terms(p, log_ratios))
    relative_reward = row_sums(new_probs * problem.relative_rewards)
    expected_reward = problem.reference + relative_reward

    def scalar(values: FloatArray) -> FloatOrArray:
        return values if problem.is_batched else float(values[0])

    return PopulationSolution(
        probs=new_probs if problem.is_batched else new_probs[0],
        log_ratios=log_ratios if problem.is_batched else log_ratios[0],
        lam=scalar(lam),
        baseline=scalar(problem.reference + relative_baseline),
        log_partition=scalar(problem.reference + problem.tau * problem.relative_log_partition()),
        kl=scalar(kl),
        reverse_kl=scalar(row_sums(reverse_kl_terms(p, log_ratios))),
        chi2=scalar(chi2),
        mean_reward=scalar(problem.reference + problem.mean_relative_reward),
        expected_reward=scalar(expected_reward),
        mixed_objective=scalar(expected_reward - problem.tau * (kl + 0.5 * lam * chi2)),
    )
