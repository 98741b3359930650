"""How much an inexact update must still improve the expected reward."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.theory.arrays import finite_array
from pmd_pipeline.theory.population import PopulationSolution
from pmd_pipeline.theory.problem import SUM_TOLERANCE, bandit_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ImprovementBound:
    """One inexact update against the exact one.

    Attributes:
        ideal: Improvement of the expected reward by the exact update, reward units.
        actual: Improvement by the inexact update, reward units.
        squared_error: Mean under pi_t of the squared difference of log-ratios, nats squared.
        prefactor: ``exp(B_+)``, with B_+ the largest log-ratio of either update.
        guaranteed: ``ideal - R / 2 * sqrt(prefactor * squared_error)``, R the range of rewards;
            the inexact update improves by at least this.
    """

    ideal: float
    actual: float
    squared_error: float
    prefactor: float
    guaranteed: float


def one_step_improvement(
    probs: ArrayLike, rewards: ArrayLike, exact: PopulationSolution, log_ratios: ArrayLike
) -> ImprovementBound:
    """Return what an inexact update gains, and the least it can gain given its error.

    Args:
        probs: Policy pi_t, [K].
        rewards: [K].
        exact: The exact update from ``probs``, of either method.
        log_ratios: log-ratios of the inexact update, nats, [K]; a policy, so that
            ``probs * exp(log_ratios)`` sums to one.

    Raises:
        ValueError: If a shape differs or the inexact update does not sum to one.

    Source: arXiv:2602.05933, Theorem 4.6 (statement and constant reconstructed, docs/theory.md).
    """
    problem = bandit_problem(probs, rewards, 1.0)
    inexact = finite_array("log_ratios", log_ratios)
    if problem.is_batched or inexact.shape != exact.log_ratios.shape:
        raise ValueError(
            "probs, rewards and log_ratios must all be [K], the exact update's shape; found "
            f"log_ratios of shape {inexact.shape} against {exact.log_ratios.shape}"
        )
    p, r = problem.probs[0], problem.relative_rewards[0]
    new_probs = p * np.exp(inexact)
    if abs(new_probs.sum() - 1.0) > SUM_TOLERANCE:
        raise ValueError(
            f"probs * exp(log_ratios) must sum to one; found {new_probs.sum()}. Subtract its "
            "logarithm from the log-ratios"
        )
    ideal = float(((exact.probs - p) * r).sum())
    squared_error = float((p * (inexact - exact.log_ratios) ** 2).sum())
    prefactor = float(np.exp(max(inexact.max(), exact.log_ratios.max())))
    reward_range = float(r.max() - r.min())
    return ImprovementBound(
        ideal=ideal,
        actual=float(((new_probs - p) * r).sum()),
        squared_error=squared_error,
        prefactor=prefactor,
        guaranteed=ideal - 0.5 * reward_range * float(np.sqrt(prefactor * squared_error)),
    )
