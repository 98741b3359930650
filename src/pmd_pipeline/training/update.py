"""One optimizer update on a mini-batch, accumulated over micro-batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.distributed.tensor import DTensor

from pmd_pipeline.algorithms import (
    LossDenominators,
    LossInputs,
    mini_batch_loss,
    sequence_log_ratio,
)
from pmd_pipeline.policies.log_probs import TokenLogProbs, response_log_probs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.rollouts.batch import RolloutBatch, micro_batch_rows, select_rows
from pmd_pipeline.training.setup import TrainingSetup

# From rollouts and the rows of a micro-batch to their log-probs.
LogProbFunction = Callable[[RolloutBatch, Tensor], TokenLogProbs]


class NonFiniteUpdateError(ValueError):
    """A loss or gradient is NaN or infinite; the policy on disk is the last good one."""


class NonFiniteElsewhereError(NonFiniteUpdateError):
    """Another of the processes that take a step together has a loss that is not finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingBatch:
    """B rollouts of at most T tokens with what the losses need beside them.

    Attributes:
        rollouts: The rollouts as tensors.
        names: ``problem_id#sample_index`` of each rollout, for messages.
        behaviour_log_probs: Nats.
        advantages: Reward units.
        rollout_weights: Weight of each rollout's loss.
        token_weights: Weight of each token's loss; None for ones.
    """

    rollouts: RolloutBatch
    names: list[str]
    behaviour_log_probs: Float32[Tensor, "B T"]
    advantages: Float[Tensor, " B"]
    rollout_weights: Float[Tensor, " B"]
    token_weights: Float[Tensor, "B T"] | None

    def select(self, rows: Tensor) -> Self:
        """Return some of the rollouts, in the order of ``rows``."""
        return replace(
            self,
            rollouts=select_rows(self.rollouts, rows),
            names=[self.names[row] for row in rows.tolist()],
            behaviour_log_probs=self.behaviour_log_probs[rows],
            advantages=self.advantages[rows],
            rollout_weights=self.rollout_weights[rows],
            token_weights=None if self.token_weights is None else self.token_weights[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """The loss, the gradient's norm before clipping, and clip counts of one update.

    Attributes:
        loss: Mean over the mini-batch.
        gradient_norm: Before clipping.
        is_made: False if the gradient was exactly 0, which changes nothing; see `take_step`.
        num_clipped, num_clip_units: Tokens (sequences for GSPO) that were clipped, and that could
            have been.
    """

    loss: float
    gradient_norm: float
    is_made: bool
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
    """Take one optimizer step on the rollouts ``rows`` and return its loss and counts.

    The micro-batches' losses are divided by the mini-batch's own counts, so their number changes
    only memory and time.

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
    result = take_step(
        policy,
        optimizer,
        batch,
        micro_batches(batch.rollouts, rows, setup),
        mini_batch_counts(batch, rows, setup),
        setup,
        log_probs_of=partial(policy_log_probs, policy, setup=setup),
        where=where,
    )
    policy.policy_version += result.is_made
    return result


def micro_batches(batch: RolloutBatch, rows: Tensor, setup: TrainingSetup) -> list[Tensor]:
    """Return the rows of each micro-batch that ``rows`` are computed in."""
    return micro_batch_rows(batch, rows, setup.training.micro_batch_tokens, packed=setup.is_packed)


def mini_batch_counts(batch: TrainingBatch, rows: Tensor, setup: TrainingSetup) -> LossDenominators:
    """Return the counts that the losses of the mini-batch ``rows`` are divided by."""
    return LossDenominators.from_response_mask(
        batch.rollouts.response_mask[rows],
        max_response_tokens=setup.training.sampling.max_new_tokens,
    )


def take_step(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    batch: TrainingBatch,
    parts: Sequence[Tensor],
    denominators: LossDenominators,
    setup: TrainingSetup,
    *,
    log_probs_of: LogProbFunction,
    where: str,
    in_any_process: Callable[[bool], bool] = bool,
) -> UpdateResult:
    """Take one optimizer step on the micro-batches ``parts``.

    A gradient that is exactly 0 is no step: weights, moments and step counts stay as they are, as
    if there had been no such mini-batch. AdamW would go on by its momentum and its weight decay,
    where no rollout says so.

    Args:
        policy: Updated in place, except for its version.
        optimizer: Over the policy's parameters.
        batch: Rollouts.
        parts: Rows of each micro-batch.
        denominators: Counts over the whole mini-batch, of which ``parts`` may be one process's
            share.
        setup: Algorithm and training.
        log_probs_of: Computes a micro-batch's log-probs with their gradient.
        where: Names the round and the mini-batch in messages.
        in_any_process: Returns whether a condition holds in any of the processes that take this
            step together, given whether it holds here.

    Returns:
        Loss and counts of ``parts``; the norm of the whole gradient.

    Raises:
        NonFiniteUpdateError: If the loss or the gradient is NaN or infinite; no step is taken.
    """
    optimizer.zero_grad(set_to_none=True)
    # Checkpointing works only in training mode; dropout is off in every loaded policy.
    policy.model.train(setup.training.gradient_checkpointing)
    loss = num_clipped = num_units = 0.0
    log_ratios = []
    for part in parts:
        inputs = _loss_inputs(log_probs_of(batch.rollouts, part), batch, part)
        output = mini_batch_loss(setup.algorithm, inputs, denominators)
        log_ratios.append(_log_ratios(inputs))
        is_finite = bool(torch.isfinite(output.loss))
        if in_any_process(not is_finite):
            if is_finite:
                raise NonFiniteElsewhereError(f"{where}: the loss of another process is not finite")
            at_fault = ~torch.isfinite(output.rollout_losses)
            found = f"the loss is {output.loss.item()}"
            raise _non_finite(found, batch, part, log_ratios[-1], at_fault, where)
        output.loss.backward()
        loss += output.loss.item()
        num_clipped += float(output.num_clipped)
        num_units += float(output.num_clip_units)
    norm = _clip_gradients(policy, setup.training.optimizer.max_gradient_norm)
    if not torch.isfinite(norm):
        rows, ratios = torch.cat(list(parts)), torch.cat(log_ratios)
        found = f"the gradient's norm is {norm.item()}"
        raise _non_finite(found, batch, rows, ratios, torch.ones_like(ratios).bool(), where)
    is_made = norm.item() > 0
    if is_made:
        optimizer.step()
    policy.model.eval()
    return UpdateResult(
        loss=loss,
        gradient_norm=norm.item(),
        is_made=is_made,
        num_clipped=num_clipped,
        num_clip_units=num_units,
    )


def batch_log_probs(
    policy: Policy,
    batch: RolloutBatch,
    setup: TrainingSetup,
    mini_batches: Sequence[Tensor] | None = None,
) -> TokenLogProbs:
    """Return log-probs and entropies of responses under the policy, without gradients.

    Args:
        policy: The policy.
        batch: Rollouts.
        setup: Algorithm and training.
        mini_batches: Rows of each mini-batch: they are computed in the micro-batches that an update
            computes them in, so the numbers are those of the update, to the bit. None: all rows as
            one mini-batch.

    Returns:
        [B, T]; 0 for rollouts in no mini-batch.
    """
    all_rows = [torch.arange(len(batch))] if mini_batches is None else mini_batches
    parts = [part for rows in all_rows for part in micro_batches(batch, rows, setup)]
    return collect_log_probs(batch, parts, partial(policy_log_probs, policy, setup=setup))


def collect_log_probs(
    batch: RolloutBatch, parts: Sequence[Tensor], log_probs_of: LogProbFunction
) -> TokenLogProbs:
    """Return the log-probs of all micro-batches ``parts`` on the CPU, without gradients."""
    shape = batch.response_mask.shape
    log_probs, entropy = torch.zeros(shape), torch.zeros(shape)
    with torch.no_grad():
        for part in parts:
            result = log_probs_of(batch, part)
            width = result.log_probs.shape[1]
            log_probs[part, :width] = result.log_probs.cpu()
            entropy[part, :width] = result.entropy.cpu()
    return TokenLogProbs(log_probs=log_probs, entropy=entropy)


def policy_log_probs(
    policy: Policy, batch: RolloutBatch, part: Tensor, setup: TrainingSetup
) -> TokenLogProbs:
    """Return log-probs and entropies of the rollouts ``part``, without their common padding."""
    width = max(1, int(batch.response_mask[part].sum(dim=1).max()))
    with policy.autocast():
        return response_log_probs(
            policy.model,
            [batch.prompt_token_ids[row] for row in part.tolist()],
            batch.response_token_ids[part, :width],
            batch.response_mask[part, :width],
            temperature=setup.training.sampling.temperature,
            packed=setup.is_packed,
        )


def _loss_inputs(computed: TokenLogProbs, batch: TrainingBatch, part: Tensor) -> LossInputs:
    log_probs = computed.log_probs
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


def _log_ratios(inputs: LossInputs) -> Tensor:
    """Return the sequence log-ratios, for messages, [B]."""
    return sequence_log_ratio(
        inputs.log_probs.detach(), inputs.behaviour_log_probs, inputs.response_mask
    )


def _clip_gradients(policy: Policy, max_norm: float) -> Tensor:
    """Clip the gradients in place and return their norm before."""
    parameters = list(policy.model.parameters())
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if isinstance(norm, DTensor):
        norm = norm.full_tensor()
    torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return norm


def _non_finite(
    found: str,
    batch: TrainingBatch,
    part: Tensor,
    log_ratios: Tensor,
    at_fault: Tensor,
    where: str,
) -> NonFiniteUpdateError:
    # NaN sorts as the largest, as wanted here.
    order = log_ratios.abs().argsort(descending=True).tolist()
    offenders = ", ".join(
        f"{batch.names[int(part[i])]} (log-ratio {log_ratios[i]:.4g}, "
        f"reward {batch.rollouts.rewards[int(part[i])]:.4g})"
        for i in [i for i in order if at_fault[i]][:5]
    )
    return NonFiniteUpdateError(
        f"{where}: {found}; the rollouts at fault, or with the largest log-ratios: {offenders}. "
        "The update was not made and the state after the last complete round is kept. Lower the "
        "learning rate, or raise tau, and train this algorithm again"
    )
