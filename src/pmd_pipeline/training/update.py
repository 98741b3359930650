"""One optimizer update on a mini-batch, accumulated over micro-batches."""

import math
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
    LossOutput,
    mini_batch_loss,
    sequence_importance_weights,
    sequence_log_ratio,
    token_importance_weights,
)
from pmd_pipeline.policies.log_probs import TokenLogProbs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.rollouts.batch import RolloutBatch, rollout_tokens, select_rows
from pmd_pipeline.training.mini_batches import mini_batches_of
from pmd_pipeline.training.passes import (
    LogProbFunction,
    micro_batches,
    policy_log_probs,
    put_together,
)
from pmd_pipeline.training.setup import TrainingSetup


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
        behaviour_log_probs: Nats; None: those of the update's own forward pass, to the bit, which
            they are as long as the policy is still the one that sampled.
        advantages: Reward units.
        rollout_weights: Weight of each rollout's loss, beside importance weights.
    """

    rollouts: RolloutBatch
    names: list[str]
    behaviour_log_probs: Float32[Tensor, "B T"] | None
    advantages: Float[Tensor, " B"]
    rollout_weights: Float[Tensor, " B"]

    def select(self, rows: Tensor) -> Self:
        """Return some of the rollouts, in the order of ``rows``."""
        return replace(
            self,
            rollouts=select_rows(self.rollouts, rows),
            names=[self.names[row] for row in rows.tolist()],
            behaviour_log_probs=None
            if self.behaviour_log_probs is None
            else self.behaviour_log_probs[rows],
            advantages=self.advantages[rows],
            rollout_weights=self.rollout_weights[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult:
    """The loss, the gradient's norm before clipping, and clip counts of one update.

    Attributes:
        loss: Mean over the mini-batch.
        gradient_norm: Before clipping.
        is_made: False if the gradient was exactly 0, which changes nothing; see `take_step`.
        num_tokens: Tokens that went forward and backward, of prompts and responses, without
            padding.
        num_clipped, num_clip_units: Tokens (sequences for GSPO) that were clipped, and that could
            have been.
        log_probs: Of the update's own forward pass, before the step, with entropies, [B, T], 0 for
            rollouts that are not of the mini-batch; None if they were not to be kept.
    """

    loss: float
    gradient_norm: float
    is_made: bool
    num_tokens: int
    num_clipped: float
    num_clip_units: float
    log_probs: TokenLogProbs | None = None


def update_policy(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    batch: TrainingBatch,
    rows: Tensor,
    setup: TrainingSetup,
    *,
    where: str,
    keeps_log_probs: bool = False,
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
        keeps_log_probs: Whether the result has the log-probs of the forward pass.

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
        keeps_log_probs=keeps_log_probs,
    )
    policy.policy_version += result.is_made
    return result


def mini_batch_counts(batch: TrainingBatch, rows: Tensor, setup: TrainingSetup) -> LossDenominators:
    """Return the counts that the losses of the mini-batch ``rows`` are divided by.

    Args:
        batch: The cycle's rollouts.
        rows: Those of one mini-batch that the prompt filter has kept; at least one.
        setup: Algorithm and training.
    """
    bounds = setup.algorithm.prompt_filter
    counted = rows
    if bounds is not None and bounds.divide_by == "all":
        parts = mini_batches_of(batch.rollouts, setup)
        counted = next(part.rows for part in parts if rows[0] in part.kept)
    return LossDenominators.from_response_mask(
        batch.rollouts.response_mask[counted],
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
    keeps_log_probs: bool = False,
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
        keeps_log_probs: Whether the result has the log-probs of the forward pass.
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
    computed: list[TokenLogProbs] = []
    outputs: list[_Output] = []
    for part in parts:
        log_probs = log_probs_of(batch.rollouts, part, with_entropy=keeps_log_probs)
        inputs = _loss_inputs(log_probs, batch, part, setup)
        output = mini_batch_loss(setup.algorithm, inputs, denominators)
        output.loss.backward()
        outputs.append(_Output.of(output, inputs))
        if keeps_log_probs:
            computed.append(replace(log_probs, log_probs=log_probs.log_probs.detach()))
    # All at once, as each look at a number waits for a GPU.
    loss, num_clipped, num_units = _sums(outputs)
    rows = torch.cat([torch.arange(0), *parts])
    is_finite = math.isfinite(loss)
    if in_any_process(not is_finite):
        if is_finite:
            raise NonFiniteElsewhereError(f"{where}: the loss of another process is not finite")
        losses = torch.cat([output.rollout_losses for output in outputs])
        raise _non_finite(
            f"the loss is {loss}", batch, rows, outputs, ~torch.isfinite(losses), where
        )
    norm = _clip_gradients(policy, setup.training.optimizer.max_gradient_norm)
    if not math.isfinite(norm):
        everyone = torch.ones(len(rows), dtype=torch.bool)
        raise _non_finite(f"the gradient's norm is {norm}", batch, rows, outputs, everyone, where)
    is_made = norm > 0
    if is_made:
        optimizer.step()
    policy.model.eval()
    return UpdateResult(
        loss=loss,
        gradient_norm=norm,
        is_made=is_made,
        num_tokens=sum(rollout_tokens(select_rows(batch.rollouts, rows))),
        num_clipped=num_clipped,
        num_clip_units=num_units,
        log_probs=put_together(batch.rollouts, parts, computed) if keeps_log_probs else None,
    )


@dataclass(frozen=True, slots=True)
class _Output:
    """What is kept of a micro-batch of B rollouts: sums, and for messages rows of numbers."""

    sums: Tensor
    rollout_losses: Tensor
    log_ratios: Tensor

    @classmethod
    def of(cls, output: LossOutput, inputs: LossInputs) -> Self:
        sums = (output.loss.detach(), output.num_clipped, output.num_clip_units)
        return cls(
            torch.stack([number.double() for number in sums]),
            output.rollout_losses,
            sequence_log_ratio(
                inputs.log_probs.detach(), inputs.behaviour_log_probs, inputs.response_mask
            ),
        )


def _sums(outputs: Sequence[_Output]) -> list[float]:
    """Return loss, clipped and clippable of all micro-batches; zeros without any."""
    if not outputs:
        return [0.0, 0.0, 0.0]
    return torch.stack([output.sums for output in outputs]).sum(dim=0).tolist()


def _loss_inputs(
    computed: TokenLogProbs, batch: TrainingBatch, part: Tensor, setup: TrainingSetup
) -> LossInputs:
    log_probs = computed.log_probs
    width, device = log_probs.shape[1], log_probs.device
    mask = batch.rollouts.response_mask[part, :width].to(device)
    behaviour = log_probs.detach()
    if batch.behaviour_log_probs is not None:
        behaviour = batch.behaviour_log_probs[part, :width].to(device)
    rollout_weights = batch.rollout_weights[part].to(device)
    token_weights = None
    if (importance := setup.training.importance_weights) is not None:
        sampler = batch.rollouts.sampler_log_probs[part, :width].to(device)
        if importance.level == "sequence":
            rollout_weights = rollout_weights * sequence_importance_weights(
                behaviour, sampler, mask, cap=importance.cap
            )
        else:
            token_weights = token_importance_weights(behaviour, sampler, mask, cap=importance.cap)
    return LossInputs(
        log_probs=log_probs,
        behaviour_log_probs=behaviour,
        response_mask=mask,
        advantages=batch.advantages[part].to(device),
        rollout_weights=rollout_weights,
        token_weights=token_weights,
    )


def _clip_gradients(policy: Policy, max_norm: float) -> float:
    """Clip the gradients in place and return their norm before; nothing is done below the bound."""
    parameters = [p for p in policy.model.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if isinstance(norm, DTensor):
        norm = norm.full_tensor()
    if (found := norm.item()) > max_norm:
        torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    return found


def _non_finite(
    found: str,
    batch: TrainingBatch,
    rows: Tensor,
    outputs: Sequence[_Output],
    at_fault: Tensor,
    where: str,
) -> NonFiniteUpdateError:
    log_ratios = torch.cat([output.log_ratios for output in outputs]).cpu()
    # NaN sorts as the largest, as wanted here.
    order = log_ratios.abs().argsort(descending=True).tolist()
    offenders = ", ".join(
        f"{batch.names[int(rows[i])]} (log-ratio {log_ratios[i]:.4g}, "
        f"reward {batch.rollouts.rewards[int(rows[i])]:.4g})"
        for i in [i for i in order if at_fault[i]][:5]
    )
    return NonFiniteUpdateError(
        f"{where}: {found}; the rollouts at fault, or with the largest log-ratios: {offenders}. "
        "The update was not made and the state after the last complete round is kept. Lower the "
        "learning rate, or raise tau, and train this algorithm again"
    )
