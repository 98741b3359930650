"""What a round says about training: groups, log-ratios, divergences, sampler against trainer.

Rollouts come from the behaviour policy; ``s = log pi_theta - log pi_behaviour`` is the log-ratio of
a whole response, in nats. Divergences are Monte Carlo estimates over the B rollouts. They are
heavy-tailed in s, and infinite, without a warning, where they exceed the range of float64.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRatioSummary:
    """Smallest, mean and largest sequence log-ratio, nats."""

    min: float
    mean: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DivergenceEstimates:
    """Estimates of how far the policy has moved from the behaviour policy.

    Both estimators of a KL divergence are unbiased; ``k3`` adds a term of mean zero that makes
    each rollout's share at least 0.

    Attributes:
        kl_k1: KL(policy || behaviour) as the mean of ``e^s s``, nats.
        kl_k3: The same as the mean of ``e^s s - (e^s - 1)``.
        reverse_kl_k1: KL(behaviour || policy) as the mean of ``-s``, nats.
        reverse_kl_k3: The same as the mean of ``e^s - 1 - s``.
        chi_squared: chi^2(policy || behaviour) as the mean of ``(e^s - 1)^2``.
    """

    kl_k1: float
    kl_k3: float
    reverse_kl_k1: float
    reverse_kl_k3: float
    chi_squared: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerMismatch:
    """How the sampler's log-probs of its own tokens differ from the trainer's.

    Attributes:
        mean: Mean absolute difference per token, nats.
        max: Largest absolute difference, nats.
        kl: KL(sampler || trainer) per token, k3 estimate, nats.
    """

    mean: float
    max: float
    kl: float


def group_pass_rates(correct: ArrayLike, group_ids: ArrayLike) -> Floats:
    """Return the share of right rollouts of each group.

    Args:
        correct: True where a rollout is right, [B].
        group_ids: Rollouts of one prompt share an id, [B].

    Returns:
        Share per group, in the order of the sorted ids, [G].

    Raises:
        ValueError: If the shapes differ or there is no rollout.
    """
    right, groups = _checked_groups(np.asarray(correct, dtype=np.float64), group_ids)
    sizes = np.bincount(groups)
    return np.bincount(groups, weights=right) / sizes


def no_signal_fraction(rewards: ArrayLike, group_ids: ArrayLike) -> float:
    """Return the share of groups whose rewards are all equal: their advantages are zero.

    Args:
        rewards: Reward units, [B].
        group_ids: Rollouts of one prompt share an id, [B].

    Raises:
        ValueError: If the shapes differ or there is no rollout.
    """
    values, groups = _checked_groups(np.asarray(rewards, dtype=np.float64), group_ids)
    num_groups = int(groups.max()) + 1
    low = np.full(num_groups, np.inf)
    high = np.full(num_groups, -np.inf)
    np.minimum.at(low, groups, values)
    np.maximum.at(high, groups, values)
    return float((low == high).mean())


def summarise_log_ratios(sequence_log_ratio: ArrayLike) -> LogRatioSummary:
    """Return the smallest, mean and largest sequence log-ratio of B rollouts.

    Raises:
        ValueError: If there is none, or one is not finite.
    """
    s = _checked_log_ratios(sequence_log_ratio, "sequence_log_ratio")
    return LogRatioSummary(min=float(s.min()), mean=float(s.mean()), max=float(s.max()))


def estimate_divergences(sequence_log_ratio: ArrayLike) -> DivergenceEstimates:
    """Return estimates of both KL divergences and of chi-squared from B rollouts.

    Args:
        sequence_log_ratio: ``log pi_theta - log pi_behaviour`` of whole responses that the
            behaviour policy sampled, nats, [B].

    Raises:
        ValueError: If there is none, or one is not finite.

    Source: k1 and k3 after Schulman, "Approximating KL divergence" (2020).
    """
    s = _checked_log_ratios(sequence_log_ratio, "sequence_log_ratio")
    with np.errstate(over="ignore"):  # infinity is the truth to float64
        growth = np.expm1(s)
        weighted = np.exp(s) * s
        # e^s s - (e^s - 1): for large s as e^s (s - 1) + 1, where infinities would cancel
        k3 = np.where(s > 1, np.exp(s) * (s - 1) + 1, weighted - growth)
        return DivergenceEstimates(
            kl_k1=float(weighted.mean()),
            kl_k3=float(k3.mean()),
            reverse_kl_k1=float(-s.mean()),
            reverse_kl_k3=float((growth - s).mean()),
            chi_squared=float((growth**2).mean()),
        )


def measure_sampler_mismatch(
    sampler_log_probs: ArrayLike, trainer_log_probs: ArrayLike, response_mask: ArrayLike
) -> SamplerMismatch:
    """Return how far the sampler's log-probs lie from the trainer's of the same weights.

    Args:
        sampler_log_probs: Nats, any shape, for example [B, T].
        trainer_log_probs: Nats, the same shape.
        response_mask: True on tokens that count, the same shape.

    Raises:
        ValueError: If the shapes differ, no token counts, or a log-prob that counts is not finite.
    """
    sampler, trainer = np.asarray(sampler_log_probs), np.asarray(trainer_log_probs)
    mask = np.asarray(response_mask, dtype=bool)
    if not sampler.shape == trainer.shape == mask.shape:
        raise ValueError(
            f"sampler_log_probs has shape {sampler.shape}, trainer_log_probs {trainer.shape} and "
            f"response_mask {mask.shape}: they must be equal"
        )
    difference = _checked_log_ratios(
        trainer[mask].astype(np.float64) - sampler[mask].astype(np.float64),
        "the difference of log-probs",
    )
    with np.errstate(over="ignore"):
        kl = (np.expm1(difference) - difference).mean()
    size = np.abs(difference)
    return SamplerMismatch(mean=float(size.mean()), max=float(size.max()), kl=float(kl))


def _checked_groups(values: Floats, group_ids: ArrayLike) -> tuple[Floats, NDArray[np.intp]]:
    ids = np.asarray(group_ids)
    if values.ndim != 1 or values.shape != ids.shape:
        raise ValueError(
            f"found shapes {values.shape} and {ids.shape}: give one value and one group id per "
            "rollout, [B]"
        )
    if values.size == 0:
        raise ValueError("there is no rollout to summarise")
    return values, np.unique(ids, return_inverse=True)[1].astype(np.intp)


def _checked_log_ratios(values: ArrayLike, name: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must hold at least one value, [B]; found shape {array.shape}")
    if not np.isfinite(array).all():
        position = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, found {array[position]} at position {position}")
    return array
