"""The minimiser of the regression loss over sampled rollouts, instead of the population."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.theory.arrays import FloatArray, finite_array
from pmd_pipeline.theory.multiplier import log_ratios_at, solve_log_multiplier
from pmd_pipeline.theory.problem import bandit_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class EmpiricalSolution:
    """The minimiser of an empirical regression loss.

    Attributes:
        log_ratios: Nats, [K]. Actions that were not sampled share one value: what is left of the
            mass, in proportion to the old policy (minus infinity when nothing is left).
        lam: Multiplier of the constraint that the sampled actions hold at most all the mass; 0
            when every sampled action reaches its target exactly.
        unsampled_mass: New probability of all unsampled actions together. When every action was
            sampled, it is mass that the targets leave over.
    """

    log_ratios: FloatArray
    lam: float
    unsampled_mass: float


def solve_empirical_regression(
    probs: ArrayLike, counts: ArrayLike, targets: ArrayLike
) -> EmpiricalSolution:
    """Return the log-ratios that minimise ``sum(counts * (log ratio - targets) ** 2)``.

    The constraint is that the sampled actions' new probabilities sum to at most one. In a large
    action space it is rarely active: the minimiser then reaches every target and takes the mass
    from (or gives it to) responses that were never sampled. Where there are none, and the targets
    need less than all the mass, the result is no policy: it sums to ``1 - unsampled_mass``.

    Args:
        probs: Old policy, [K]; positive, sums to one.
        counts: How often each action was sampled, [K]; non-negative weights, not all zero.
        targets: Regression targets of the log-ratios, nats, [K]; ignored where the count is zero.

    Returns:
        The minimiser: ``t - W(lam * p / q * exp(t))`` on sampled actions with targets t, where q
        is the empirical distribution.

    Raises:
        ValueError: If a shape differs, or counts or targets are malformed.

    Source: arXiv:2602.05933, Lemma 4.5 (statement reconstructed, docs/theory.md).
    """
    counts_in, targets_in = finite_array("counts", counts), finite_array("targets", targets)
    problem = bandit_problem(probs, np.zeros_like(counts_in), 1.0)
    if problem.is_batched or not counts_in.shape == targets_in.shape == problem.probs[0].shape:
        raise ValueError(
            "probs, counts and targets must all be [K]; found shapes "
            f"{problem.probs.shape if problem.is_batched else problem.probs[0].shape}, "
            f"{counts_in.shape} and {targets_in.shape}"
        )
    if (counts_in < 0).any() or counts_in.sum() <= 0:
        raise ValueError(
            f"counts must be non-negative and not all zero; found {counts_in.tolist()}"
        )
    p = problem.probs[0]
    sampled = counts_in > 0
    log_p = problem.log_probs[:, sampled]
    log_weight_ratio = log_p - np.log(counts_in[sampled] / counts_in.sum())
    t = targets_in[None, sampled]
    u = solve_log_multiplier(log_p, t, mean_target=np.zeros(1), log_weight_ratio=log_weight_ratio)
    is_active = bool(np.isfinite(u[0]))
    solved = log_ratios_at(u, t, log_weight_ratio)[0] if is_active else t
    left = 0.0 if is_active else max(0.0, 1.0 - float(np.exp(log_p + solved).sum()))
    log_ratios = np.full(p.shape, -np.inf)
    log_ratios[sampled] = solved[0]
    if left > 0 and not sampled.all():
        log_ratios[~sampled] = np.log(left / p[~sampled].sum())
    return EmpiricalSolution(log_ratios=log_ratios, lam=float(np.exp(u[0])), unsampled_mass=left)
