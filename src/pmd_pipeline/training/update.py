"""One optimizer update on a mini-batch, accumulated over micro-batches."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pmd_pipeline.algorithms import (
    LossDenominators,
    LossInputs,
    mini_batch_loss,
    sequence_log_ratio,
)
from pmd_pipeline.policies.log_probs import TokenLogProbs, response_log_probs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import RolloutBatch
from pmd_pipeline.training.batch import micro_batch_rows
from pmd_pipeline.training.setup import TrainingSetup


class NonFiniteUpdateError(ValueError):
    """A loss or gradient is NaN or infinite; the policy on disk is the last good one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingBatch:
    """Rollouts with what the losses need beside them.

    Attributes:
        rollouts: The rollouts as tensors.
        names: ``problem_id#sample_index`` of each rollout, for messages.
        behaviour_log_probs: Per token, nats, float32, [B, T].
        advantages: [B].
        rollout_weights: Weight of each rollout's loss, [B].
        token_weights: Weight of each token's loss, [B, T]; None for ones.
    """

    rollouts: RolloutBatch
    names: list[str]
    behaviour_log_probs: Tensor
    advantages: Tensor
    rollout_weights: Tensor
    token_weights: Tensor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """Of one update: the loss, the gradient's norm before clipping, and clip counts."""

    loss: float
    gradient_norm: float
    num_clipped: float
    num_clip_units: float


def update_policy(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    batch: TrainingBatch,
    rows: Tensor,
    setup: TrainingSetup,
    *,
    where: str,
) -> UpdateResult:
    """Take one optimizer step on the rollouts ``rows`` and return what it was.

    The micro-batches' losses are divided by the mini-batch's own counts, so their number changes
    nothing but memory and time.

    Args:
        policy: Updated in place.
        optimizer: Over the policy's parameters.
        batch: The cycle's rollouts.
        rows: Which of them form this mini-batch.
        setup: Algorithm and training.
        where: Names the round and the mini-batch in messages.

    Raises:
        NonFiniteUpdateError: If the loss or the gradient is NaN or infinite; no step is taken.
    """
    optimizer.zero_grad(set_to_none=True)
    # Checkpointing works in training mode alone; dropout is off in every policy that is loaded.
    policy.model.train(setup.training.gradient_checkpointing)
    denominators = LossDenominators.from_response_mask(
        batch.rollouts.response_mask[rows],
        max_response_tokens=setup.training.sampling.max_new_tokens,
    )
    loss = num_clipped = num_units = 0.0
    parts = micro_batch_rows(batch.rollouts, rows, setup.training.micro_batch_tokens)
    for part in parts:
        inputs = _loss_inputs(policy, batch, part, setup)
        output = mini_batch_loss(setup.algorithm, inputs, denominators)
        if not torch.isfinite(output.loss):
            at_fault = ~torch.isfinite(output.rollout_losses)
            raise _non_finite(
                f"the loss is {output.loss.item()}", inputs, batch, part, at_fault, where
            )
        output.loss.backward()
        loss += output.loss.item()
        num_clipped += float(output.num_clipped)
        num_units += float(output.num_clip_units)
    norm = torch.nn.utils.clip_grad_norm_(
        policy.model.parameters(), setup.training.optimizer.max_gradient_norm
    )
    if not torch.isfinite(norm):
        raise _non_finite(
            f"the gradient's norm is {norm.item()}",
            _loss_inputs(policy, batch, rows, setup),
            batch,
            rows,
            torch.ones(len(rows), dtype=torch.bool),
            where,
        )
    optimizer.step()
    policy.model.eval()
    policy.policy_version += 1
    return UpdateResult(
        loss=loss, gradient_norm=norm.item(), num_clipped=num_clipped, num_clip_units=num_units
    )


def batch_log_probs(policy: Policy, batch: RolloutBatch, setup: TrainingSetup) -> TokenLogProbs:
    """Return log-probs and entropies of all responses under the policy, without gradients."""
    shape = batch.response_mask.shape
    log_probs, entropy = torch.zeros(shape), torch.zeros(shape)
    with torch.no_grad():
        for part in micro_batch_rows(
            batch, torch.arange(len(batch)), setup.training.micro_batch_tokens
        ):
            result = _policy_log_probs(policy, batch, part, setup)
            width = result.log_probs.shape[1]
            log_probs[part, :width] = result.log_probs.cpu()
            entropy[part, :width] = result.entropy.cpu()
    return TokenLogProbs(log_probs=log_probs, entropy=entropy)


def _policy_log_probs(
    policy: Policy, batch: RolloutBatch, part: Tensor, setup: TrainingSetup
) -> TokenLogProbs:
    # The part's own longest response, not the batch's, is the width that is computed.
    width = max(1, int(batch.response_mask[part].sum(dim=1).max()))
    with policy.autocast():
        return response_log_probs(
            policy.model,
            [batch.prompt_token_ids[row] for row in part.tolist()],
            batch.response_token_ids[part, :width],
            batch.response_mask[part, :width],
            temperature=setup.training.sampling.temperature,
        )


def _loss_inputs(
    policy: Policy, batch: TrainingBatch, part: Tensor, setup: TrainingSetup
) -> LossInputs:
    log_probs = _policy_log_probs(policy, batch.rollouts, part, setup).log_probs
    width, device = log_probs.shape[1], log_probs.device
    return LossInputs(
        log_probs=log_probs,
        behaviour_log_probs=batch.behaviour_log_probs[part, :width].to(device),
        response_mask=batch.rollouts.response_mask[part, :width].to(device),
        advantages=batch.advantages[part].to(device),
        rollout_weights=batch.rollout_weights[part].to(device),
        token_weights=None
        if batch.token_weights is None
        else batch.token_weights[part, :width].to(device),
    )


def _non_finite(
    found: str,
    inputs: LossInputs,
    batch: TrainingBatch,
    part: Tensor,
    at_fault: Tensor,
    where: str,
) -> NonFiniteUpdateError:
    log_ratios = sequence_log_ratio(
        inputs.log_probs, inputs.behaviour_log_probs, inputs.response_mask
    ).detach()
    # NaN sorts as the largest, which is what is wanted here.
    order = log_ratios.abs().argsort(descending=True).tolist()
    offenders = ", ".join(
        f"{batch.names[int(part[i])]} (log-ratio {log_ratios[i]:.4g}, "
        f"reward {batch.rollouts.rewards[int(part[i])]:.4g})"
        for i in [i for i in order if at_fault[i]][:5]
    )
    return NonFiniteUpdateError(
        f"{where}: {found}; the rollouts at fault, or with the largest log-ratios: {offenders}. "
        "The update was not made and the state after the last whole round is kept. Lower the "
        "learning rate, or raise tau, and train this algorithm again"
    )
