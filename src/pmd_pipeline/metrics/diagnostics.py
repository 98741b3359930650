"""What a round says about training: groups, log-ratios, divergences, sampler against trainer.

Rollouts come from the behaviour policy; ``s = log pi_theta - log pi_behaviour`` is the log-ratio of
a whole response, in nats. Divergences are Monte Carlo estimates over the B rollouts. Those with
``e^s`` are heavy-tailed, and infinite, without a warning, beyond the range of float64.

Each KL divergence has two unbiased estimators: ``k1``, the mean of the log-ratio itself, and
``k3``, which adds a term of mean zero that makes every rollout's share at least 0. The default is
the one that is steadier when the policies are far apart. Source of both names: Schulman,
"Approximating KL divergence" (2020).
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Estimator = Literal["k1", "k3"]


class LogRatioSummary(NamedTuple):
    """Smallest, mean and largest sequence log-ratio, nats."""

    min: float
    mean: float
    max: float


class SamplerMismatch(NamedTuple):
    """How the sampler's log-probs of its own tokens differ from the trainer's; NaN: not known.

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
        group_ids: Rollouts of one prompt share an id, of any sortable type, [B].

    Returns:
        Share per group, in the order of the sorted ids, [G].

    Raises:
        ValueError: If the shapes differ or there is no rollout.
    """
    right, groups = _checked_groups(correct, group_ids)
    return np.bincount(groups, weights=right) / np.bincount(groups)


def group_pass_rate(correct: ArrayLike, group_ids: ArrayLike) -> float:
    """Return the mean over groups of ``group_pass_rates``: every group counts once.

    Raises:
        ValueError: If the shapes differ or there is no rollout.
    """
    return float(group_pass_rates(correct, group_ids).mean())


def no_signal_fraction(rewards: ArrayLike, group_ids: ArrayLike) -> float:
    """Return the share of groups whose rewards are all equal: their advantages are zero.

    Args:
        rewards: Reward units, [B].
        group_ids: Rollouts of one prompt share an id, of any sortable type, [B].

    Raises:
        ValueError: If the shapes differ or there is no rollout.
    """
    values, groups = _checked_groups(rewards, group_ids)
    num_groups = int(groups.max()) + 1
    low, high = np.full(num_groups, np.inf), np.full(num_groups, -np.inf)
    np.minimum.at(low, groups, values)
    np.maximum.at(high, groups, values)
    return float((low == high).mean())


def summarise_log_ratios(sequence_log_ratio: ArrayLike) -> LogRatioSummary:
    """Return the smallest, mean and largest sequence log-ratio of B rollouts.

    The mean is taken in the precision of the argument.

    Raises:
        ValueError: If there is none, or one is not finite.
    """
    s = np.asarray(sequence_log_ratio)
    _checked_log_ratios(s, "sequence_log_ratio")
    return LogRatioSummary(float(s.min()), float(s.mean()), float(s.max()))


def kl_estimate(sequence_log_ratio: ArrayLike, estimator: Estimator = "k3") -> float:
    """Return an estimate of KL(policy || behaviour), nats.

    Args:
        sequence_log_ratio: s of whole responses that the behaviour policy sampled, nats, [B].
        estimator: ``"k1"``: the mean of ``e^s s``; ``"k3"``: of ``e^s s - (e^s - 1)``.

    Raises:
        ValueError: If there is no rollout, a value is not finite, or the estimator is unknown.
    """
    s = _checked_log_ratios(sequence_log_ratio, "sequence_log_ratio")
    small = np.minimum(s, 1)
    with np.errstate(over="ignore"):  # infinity is the truth to float64
        if _is_k1(estimator):
            return float((np.exp(s) * s).mean())
        # for large s as e^s (s - 1) + 1: infinities would cancel
        near = np.exp(small) * small - np.expm1(small)
        return float(np.where(s > 1, np.exp(s) * (s - 1) + 1, near).mean())


def reverse_kl_estimate(sequence_log_ratio: ArrayLike, estimator: Estimator = "k1") -> float:
    """Return an estimate of KL(behaviour || policy), nats.

    Args:
        sequence_log_ratio: s of whole responses that the behaviour policy sampled, nats, [B].
        estimator: ``"k1"``: the mean of ``-s``; ``"k3"``: of ``e^s - 1 - s``.

    Raises:
        ValueError: If there is no rollout, a value is not finite, or the estimator is unknown.
    """
    s = _checked_log_ratios(sequence_log_ratio, "sequence_log_ratio")
    if _is_k1(estimator):
        return 0.0 - float(s.mean())  # never -0.0
    with np.errstate(over="ignore"):
        return float((np.expm1(s) - s).mean())


def chi_squared_estimate(sequence_log_ratio: ArrayLike) -> float:
    """Return an estimate of chi-squared(policy || behaviour), the mean of ``(e^s - 1)^2``.

    Args:
        sequence_log_ratio: s of whole responses that the behaviour policy sampled, nats, [B].

    Raises:
        ValueError: If there is no rollout, or a value is not finite.
    """
    s = _checked_log_ratios(sequence_log_ratio, "sequence_log_ratio")
    with np.errstate(over="ignore"):
        return float((np.expm1(s) ** 2).mean())


def mismatch_kl_estimate(token_log_ratio: ArrayLike) -> float:
    """Return the k3 estimate of KL(sampler || trainer) per token, nats.

    Args:
        token_log_ratio: Trainer's minus sampler's log-prob of sampled tokens, nats, flat.

    Raises:
        ValueError: If there is no token, or a value is not finite.
    """
    return reverse_kl_estimate(token_log_ratio, "k3")


def measure_sampler_mismatch(
    sampler_log_probs: ArrayLike, trainer_log_probs: ArrayLike, response_mask: ArrayLike
) -> SamplerMismatch:
    """Return how far the sampler's log-probs lie from the trainer's of the same weights.

    Both must be of the whole distribution: where top_p or top_k has cut the sampler's, the
    difference is that of the cut. Differences are taken in the precision of the arguments.

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
    difference = trainer[mask] - sampler[mask]
    _checked_log_ratios(difference, "the difference of log-probs")
    size = np.abs(difference)
    return SamplerMismatch(float(size.mean()), float(size.max()), mismatch_kl_estimate(difference))


def _is_k1(estimator: str) -> bool:
    if estimator not in ("k1", "k3"):
        raise ValueError(f"estimator must be 'k1' or 'k3', found {estimator!r}")
    return estimator == "k1"


def _checked_groups(values: ArrayLike, group_ids: ArrayLike) -> tuple[Floats, NDArray[np.intp]]:
    values, ids = np.asarray(values, dtype=np.float64), np.asarray(group_ids)
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
