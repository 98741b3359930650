"""The checked input of the exact solvers: one row per problem, rewards centred."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.theory.arrays import FloatArray, finite_array, row_maxima, row_sums
from pmd_pipeline.theory.series import log_mean_exp_rows

SUM_TOLERANCE = 1e-9
"""How far probabilities may sum from one before they count as wrong rather than as rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BanditProblem:
    """G one-step problems with K actions each, in float64.

    Attributes:
        probs: Policy pi_t, [G, K]; positive, rows sum to one.
        log_probs: Its logarithm, [G, K].
        tau: Reward units per nat, [G].
        reference: Reward of each row's most probable action, [G]. All rewards are kept relative
            to it: the difference of rewards of nearly certain actions then stays exact.
        relative_rewards: Rewards minus ``reference``, [G, K].
        centred: ``(reward - mean reward) / tau``, nats, [G, K].
        mean_relative_reward: Mean of ``relative_rewards`` under the policy, [G].
        is_batched: False when the caller gave one problem as [K].
    """

    probs: FloatArray
    log_probs: FloatArray
    tau: FloatArray
    reference: FloatArray
    relative_rewards: FloatArray
    centred: FloatArray
    mean_relative_reward: FloatArray
    is_batched: bool

    @property
    def is_constant(self) -> np.ndarray:
        """True where all rewards are equal and there is nothing to update, [G]."""
        return np.asarray(row_maxima(self.relative_rewards) == -row_maxima(-self.relative_rewards))

    def relative_log_partition(self) -> FloatArray:
        """Return ``log E exp((r - reference) / tau)``, [G]."""
        return log_mean_exp_rows(self.log_probs, self.relative_rewards / self.tau[:, None])

    def centred_log_partition(self) -> FloatArray:
        """Return ``log E exp((r - mean) / tau) >= 0``, [G]."""
        mean = np.zeros(len(self.tau))
        return np.maximum(log_mean_exp_rows(self.log_probs, self.centred, mean), 0.0)


def bandit_problem(probs: ArrayLike, rewards: ArrayLike, tau: ArrayLike) -> BanditProblem:
    """Check and centre the input of a solver.

    Args:
        probs: Policy, [K] or [G, K]; positive; each row sums to one within ``SUM_TOLERANCE``
            (the rounding that is left is divided out).
        rewards: Same shape.
        tau: Reward units per nat; one number, or [G].

    Returns:
        The problem, as [G, K] with G = 1 for a single one.

    Raises:
        ValueError: If a shape differs, a number is not finite, a probability is not positive, a
            row does not sum to one, or ``tau <= 0``.
    """
    probs_in = finite_array("probs", probs)
    rewards_in = finite_array("rewards", rewards)
    if probs_in.shape != rewards_in.shape or probs_in.ndim not in (1, 2):
        raise ValueError(
            "probs and rewards must both be [K] or both [G, K]; found shapes "
            f"{probs_in.shape} and {rewards_in.shape}"
        )
    if (probs_in <= 0).any():
        raise ValueError(
            f"probs must be positive; found {probs_in.min()}. Leave out actions that the policy "
            "never takes: their log-ratio is undefined"
        )
    is_batched = probs_in.ndim == 2
    p = probs_in if is_batched else probs_in[None]
    r = rewards_in if is_batched else rewards_in[None]
    totals = row_sums(p)
    worst = int(np.abs(totals - 1.0).argmax())
    if abs(totals[worst] - 1.0) > SUM_TOLERANCE:
        raise ValueError(
            f"probs of each problem must sum to one; found {totals[worst]} in row {worst}; "
            "normalise them first"
        )
    p = p / totals[:, None]
    taus = per_problem("tau", tau, len(p), is_batched)
    if (taus <= 0).any():
        raise ValueError(f"tau must be positive; found {taus.min()}")
    reference = np.take_along_axis(r, p.argmax(axis=-1)[:, None], axis=-1)
    relative = r - reference
    mean = row_sums(p * relative)
    centred = relative - mean[:, None]
    correction = row_sums(p * centred)  # one more pass: what the rounding of `mean` left
    centred = (centred - correction[:, None]) / taus[:, None]
    return BanditProblem(
        probs=p,
        log_probs=np.log(p),
        tau=taus,
        reference=reference[:, 0],
        relative_rewards=relative,
        centred=centred,
        mean_relative_reward=mean + correction,
        is_batched=is_batched,
    )


def per_problem(name: str, value: ArrayLike, num_problems: int, is_batched: bool) -> FloatArray:
    """Return a number, or one number per problem, as [G].

    Raises:
        ValueError: If there are neither one nor G numbers.
    """
    array = finite_array(name, value)
    allowed = [(), (num_problems,)] if is_batched else [()]
    if array.shape not in allowed:
        raise ValueError(
            f"{name} must be one number{' or one per problem' if is_batched else ''}; found shape "
            f"{array.shape} for {num_problems} problem(s)"
        )
    return np.broadcast_to(array, (num_problems,)).astype(np.float64)
