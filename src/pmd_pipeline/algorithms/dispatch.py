"""The list of algorithms: each a short special case of the same three questions.

What is a rollout's advantage? What is it weighed with? What is the loss of a mini-batch?
"""

from typing import assert_never

import torch
from torch import Tensor

from pmd_pipeline.algorithms.advantages import compute_advantages
from pmd_pipeline.algorithms.aggregation import (
    response_lengths,
    rollout_mean_shares,
    sequence_mean_shares,
    token_mean_shares,
)
from pmd_pipeline.algorithms.clipped_surrogate import clipped_surrogate_loss, is_clipped
from pmd_pipeline.algorithms.log_ratios import on_response, sequence_log_ratio, token_log_ratio
from pmd_pipeline.algorithms.loss_records import LossDenominators, LossInputs, LossOutput
from pmd_pipeline.algorithms.partition_weights import partition_weights
from pmd_pipeline.algorithms.pmd import pmd_regression_loss
from pmd_pipeline.algorithms.policy_gradient import policy_gradient_loss
from pmd_pipeline.config.algorithms import (
    AnyAlgorithmConfig,
    GrpoConfig,
    GspoConfig,
    OnPolicyGradientConfig,
    PmdConfig,
    PmdPartConfig,
)


def advantages_of(config: AnyAlgorithmConfig, rewards: Tensor, group_ids: Tensor) -> Tensor:
    """Return the algorithm's advantages, [B]; see ``compute_advantages``."""
    tau = config.tau if isinstance(config, PmdConfig) else None
    floor = config.partition_floor if isinstance(config, PmdPartConfig) else None
    return compute_advantages(
        rewards, group_ids, baseline=config.baseline, tau=tau, partition_floor=floor
    )


def rollout_weights(config: AnyAlgorithmConfig, rewards: Tensor, group_ids: Tensor) -> Tensor:
    """Return the weight of each rollout's loss, [B]: ones unless PMD's partition weights are on.

    Like advantages they need whole groups: compute both before a round is split.
    """
    if isinstance(config, PmdConfig) and config.partition_weights:
        return partition_weights(rewards, group_ids, tau=config.tau)
    return torch.ones_like(rewards)


def mini_batch_loss(
    config: AnyAlgorithmConfig, inputs: LossInputs, denominators: LossDenominators
) -> LossOutput:
    """Return a micro-batch's share of the mini-batch loss.

    The shares of all micro-batches, each with the same ``denominators``, sum to the mini-batch loss
    whatever the split. Computed in the type of ``inputs.log_probs``. A log-ratio too large for an
    exponential gives an infinite loss: nothing is clamped but what the algorithm clips, so the
    caller must check that the loss is finite.

    Args:
        config: The algorithm.
        inputs: The micro-batch.
        denominators: Counts of the whole mini-batch.

    Returns:
        The share, its parts by rollout, and how much was clipped.

    Raises:
        ValueError: If token weights are given to a loss on whole sequences.
    """
    if inputs.token_weights is not None and not config.takes_token_weights:
        raise ValueError(
            f"{config.kind} has one loss per sequence and takes no weights per token: use "
            "importance weights of level sequence"
        )
    num_clipped = num_clip_units = inputs.response_mask.new_zeros((), dtype=torch.int64)
    match config:
        case PmdConfig():
            shares = _pmd_shares(config, inputs, denominators)
        case GrpoConfig():
            shares, clipped = _grpo_shares(config, inputs, denominators)
            num_clipped, num_clip_units = clipped.sum(), inputs.response_mask.sum()
        case GspoConfig():
            shares, clipped = _gspo_shares(config, inputs, denominators)
            num_clipped = clipped.sum()
            num_clip_units = inputs.response_mask.any(dim=1).sum()
        case OnPolicyGradientConfig():
            shares = _policy_gradient_shares(config, inputs, denominators)
        case _:
            assert_never(config)
    if inputs.rollout_weights is not None:
        shares = shares * inputs.rollout_weights.detach().to(shares.dtype)
    return LossOutput(
        loss=shares.sum(),
        rollout_losses=shares.detach(),
        num_clipped=num_clipped,
        num_clip_units=num_clip_units,
    )


def _pmd_shares(config: PmdConfig, inputs: LossInputs, denominators: LossDenominators) -> Tensor:
    log_ratio = sequence_log_ratio(
        inputs.log_probs, inputs.behaviour_log_probs, inputs.response_mask
    )
    return rollout_mean_shares(
        pmd_regression_loss(log_ratio, _advantages(inputs), tau=config.tau),
        inputs.response_mask,
        denominators,
        length_normalisation=config.length_normalisation,
    )


def _grpo_shares(
    config: GrpoConfig, inputs: LossInputs, denominators: LossDenominators
) -> tuple[Tensor, Tensor]:
    """Return the shares [B] and which tokens were clipped [B, T]."""
    log_ratio = token_log_ratio(inputs.log_probs, inputs.behaviour_log_probs, inputs.response_mask)
    token_losses, clipped = _clipped_losses(
        config, log_ratio, _advantages(inputs), dual_clip=config.dual_clip
    )
    losses = _weighed(token_losses, inputs)
    match config.aggregation:
        case "token_mean":
            shares = token_mean_shares(losses, inputs.response_mask, denominators)
        case "sequence_mean":
            shares = sequence_mean_shares(losses, inputs.response_mask, denominators)
        case _:
            assert_never(config.aggregation)
    return shares, clipped


def _gspo_shares(
    config: GspoConfig, inputs: LossInputs, denominators: LossDenominators
) -> tuple[Tensor, Tensor]:
    """Return the shares [B] and which sequences were clipped [B, 1].

    A sequence is treated as one token, whose log-ratio is the mean over its tokens.
    """
    log_ratio = sequence_log_ratio(
        inputs.log_probs, inputs.behaviour_log_probs, inputs.response_mask
    )
    mean_log_ratio = log_ratio / response_lengths(inputs.response_mask)
    losses, clipped = _clipped_losses(config, mean_log_ratio[:, None], _advantages(inputs))
    has_response = inputs.response_mask.any(dim=1, keepdim=True)
    return sequence_mean_shares(losses, has_response, denominators), clipped


def _clipped_losses(
    config: GrpoConfig | GspoConfig,
    log_ratio: Tensor,
    advantage: Tensor,
    *,
    dual_clip: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the unreduced losses and where they were clipped, [B, T] each."""
    losses = clipped_surrogate_loss(
        log_ratio,
        advantage,
        clip_low=config.clip_low,
        clip_high=config.clip_high,
        dual_clip=dual_clip,
    )
    clipped = is_clipped(
        log_ratio,
        advantage,
        clip_low=config.clip_low,
        clip_high=config.clip_high,
        dual_clip=dual_clip,
    )
    return losses, clipped


def _policy_gradient_shares(
    config: OnPolicyGradientConfig, inputs: LossInputs, denominators: LossDenominators
) -> Tensor:
    token_losses = policy_gradient_loss(inputs.log_probs, _advantages(inputs))
    return rollout_mean_shares(
        on_response(_weighed(token_losses, inputs), inputs.response_mask).sum(dim=1),
        inputs.response_mask,
        denominators,
        length_normalisation=config.length_normalisation,
    )


def _advantages(inputs: LossInputs) -> Tensor:
    # Rewards are kept in float64; a [B, T] loss must not be dragged there by them.
    return inputs.advantages.to(inputs.log_probs.dtype)


def _weighed(token_losses: Tensor, inputs: LossInputs) -> Tensor:
    if inputs.token_weights is None:
        return token_losses
    # Masked first: a NaN in the padding of the weights would reach the gradient.
    weights = on_response(inputs.token_weights.detach(), inputs.response_mask)
    return token_losses * weights.to(token_losses.dtype)
