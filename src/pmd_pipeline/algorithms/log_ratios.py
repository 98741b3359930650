"""Log-ratios of the current to the behaviour policy, over response tokens alone."""

import torch
from torch import Tensor

from pmd_pipeline.algorithms.checks import check_per_token


def token_log_ratio(
    log_probs: Tensor, behaviour_log_probs: Tensor, response_mask: Tensor
) -> Tensor:
    """Return each response token's log-ratio, nats, 0 elsewhere, [B, T].

    What stands outside the response never matters, not even a NaN, to the value or the gradient.

    Args:
        log_probs: Of the current policy, nats, [B, T].
        behaviour_log_probs: Nats, [B, T]; carries no gradient.
        response_mask: True on response tokens, bool, [B, T].

    Raises:
        ValueError: If the shapes differ or the mask is not bool.
    """
    check_per_token("behaviour_log_probs", behaviour_log_probs, log_probs.shape)
    return on_response(log_probs - behaviour_log_probs.detach(), response_mask)


def sequence_log_ratio(
    log_probs: Tensor, behaviour_log_probs: Tensor, response_mask: Tensor
) -> Tensor:
    """Return the log-ratio summed over each response, nats, [B]; arguments as for the tokens."""
    return token_log_ratio(log_probs, behaviour_log_probs, response_mask).sum(dim=1)


def on_response(values: Tensor, response_mask: Tensor) -> Tensor:
    """Return per-token values with 0 in place of everything outside the response, [B, T]."""
    check_per_token("response_mask", response_mask, values.shape)
    if response_mask.dtype != torch.bool:
        raise ValueError(
            f"response_mask must be bool (True on response tokens), found {response_mask.dtype}"
        )
    # A choice, not a product: 0 * NaN is NaN.
    return torch.where(response_mask, values, values.new_zeros(()))
