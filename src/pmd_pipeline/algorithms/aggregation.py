"""From losses per rollout or token to each rollout's share of the mini-batch loss, [B].

Every function divides by counts of the whole mini-batch, so that summing the shares of all its
rollouts gives the mini-batch loss, however they are spread over micro-batches and ranks.
"""

from typing import assert_never

from torch import Tensor

from pmd_pipeline.algorithms.log_ratios import on_response
from pmd_pipeline.algorithms.loss_records import LossDenominators
from pmd_pipeline.config.algorithms import LengthNormalisation


def rollout_mean_shares(
    rollout_losses: Tensor,
    response_mask: Tensor,
    denominators: LossDenominators,
    *,
    length_normalisation: LengthNormalisation,
) -> Tensor:
    """Return shares of the mean over all rollouts of ``loss / length``.

    The length is that of the rollout's own response (1 when it is empty) or the longest allowed;
    rollouts with an empty response count.
    """
    match length_normalisation:
        case "max":
            return rollout_losses / (denominators.num_rollouts * denominators.max_response_tokens)
        case "response":
            return rollout_losses / (denominators.num_rollouts * response_lengths(response_mask))
        case _:
            assert_never(length_normalisation)


def token_mean_shares(
    token_losses: Tensor, response_mask: Tensor, denominators: LossDenominators
) -> Tensor:
    """Return shares of the mean over all response tokens."""
    # A mini-batch of empty responses has no token to lose: 0 / 1, not 0 / 0.
    return on_response(token_losses, response_mask).sum(dim=1) / max(1, denominators.num_tokens)


def sequence_mean_shares(
    token_losses: Tensor, response_mask: Tensor, denominators: LossDenominators
) -> Tensor:
    """Return shares of the mean over non-empty responses of the mean over their tokens."""
    token_means = on_response(token_losses, response_mask).sum(dim=1) / response_lengths(
        response_mask
    )
    return token_means / max(1, denominators.num_nonempty_rollouts)


def response_lengths(response_mask: Tensor) -> Tensor:
    """Return response lengths in tokens, [B]; 1 for an empty one, whose sums over tokens are 0."""
    return response_mask.sum(dim=1).clamp(min=1)
