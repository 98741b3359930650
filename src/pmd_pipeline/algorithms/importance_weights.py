"""Truncated importance weights: for a sampler that is not quite the trainer."""

import math

from torch import Tensor

from pmd_pipeline.algorithms.log_ratios import sequence_log_ratio, token_log_ratio


def token_importance_weights(
    trainer_log_probs: Tensor, sampler_log_probs: Tensor, response_mask: Tensor, *, cap: float
) -> Tensor:
    """Return ``min(exp(trainer - sampler log-prob), cap)`` of each token, [B, T].

    An engine that samples with other kernels or in another precision draws from a policy slightly
    off the trainer's. These weights correct the expectation for it, and the cap bounds their
    variance at the cost of a bias where it acts.

    Args:
        trainer_log_probs: The behaviour policy's, as the trainer computes them, nats, [B, T].
        sampler_log_probs: The same tokens', as sampled, nats, [B, T].
        response_mask: True on response tokens, bool, [B, T].
        cap: Largest weight, positive.

    Returns:
        Weights in [0, cap], pure numbers without gradient; outside the response ``min(1, cap)``.

    Raises:
        ValueError: If the shapes differ or ``cap`` is not positive.

    Source: truncated importance sampling, Ionides 2008, between a sampler and a trainer.
    """
    log_weights = token_log_ratio(trainer_log_probs, sampler_log_probs, response_mask)
    return _truncated_exp(log_weights, cap)


def sequence_importance_weights(
    trainer_log_probs: Tensor, sampler_log_probs: Tensor, response_mask: Tensor, *, cap: float
) -> Tensor:
    """Return ``min(exp(trainer - sampler log-prob of the whole response), cap)``, [B].

    Exact in expectation up to the cap, where the token-level weights leave out how the tokens
    before were drawn; but its spread grows with the response. Arguments as for the tokens.
    """
    log_weights = sequence_log_ratio(trainer_log_probs, sampler_log_probs, response_mask)
    return _truncated_exp(log_weights, cap)


def _truncated_exp(log_weights: Tensor, cap: float) -> Tensor:
    if not 0 < cap < math.inf:
        raise ValueError(f"the cap of importance weights must be positive and finite, found {cap}")
    # Truncated before exp: the same number, and no overflow on the way. The second bound takes back
    # what exp(log(cap)) may lie above the cap by rounding.
    return log_weights.detach().clamp(max=math.log(cap)).exp().clamp(max=cap)
