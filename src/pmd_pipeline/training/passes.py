"""Passes of a policy over rollouts: which micro-batches, and their log-probs."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from pmd_pipeline.policies.log_probs import TokenLogProbs, response_log_probs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.rollouts.batch import RolloutBatch, micro_batch_rows
from pmd_pipeline.training.setup import TrainingSetup


class LogProbFunction(Protocol):
    """Computes the log-probs of the rollouts ``part`` of a batch, and entropies if wanted."""

    def __call__(
        self, batch: RolloutBatch, part: Tensor, *, with_entropy: bool
    ) -> TokenLogProbs: ...


def micro_batches(batch: RolloutBatch, rows: Tensor, setup: TrainingSetup) -> list[Tensor]:
    """Return the rows of each micro-batch that ``rows`` are computed in."""
    return micro_batch_rows(batch, rows, setup.micro_batch_tokens, packed=setup.is_packed)


def policy_log_probs(
    policy: Policy,
    batch: RolloutBatch,
    part: Tensor,
    *,
    setup: TrainingSetup,
    with_entropy: bool,
) -> TokenLogProbs:
    """Return the log-probs of the rollouts ``part``, without their common padding."""
    width = max(1, int(batch.response_mask[part].sum(dim=1).max()))
    with policy.autocast():
        return response_log_probs(
            policy.model,
            [batch.prompt_token_ids[row] for row in part.tolist()],
            batch.response_token_ids[part, :width],
            batch.response_mask[part, :width],
            temperature=setup.training.sampling.temperature,
            packed=setup.is_packed,
            with_entropy=with_entropy,
        )


def batch_log_probs(
    policy: Policy,
    batch: RolloutBatch,
    setup: TrainingSetup,
    mini_batches: Sequence[Tensor] | None = None,
    *,
    with_entropy: bool = False,
) -> TokenLogProbs:
    """Return the log-probs of responses under the policy, without gradients.

    Args:
        policy: The policy.
        batch: Rollouts.
        setup: Algorithm and training.
        mini_batches: Rows of each mini-batch: they are computed in the micro-batches that an update
            computes them in, so the numbers are those of the update, to the bit. None: all rows as
            one mini-batch.
        with_entropy: Whether entropies are wanted.

    Returns:
        [B, T]; 0 for rollouts in no mini-batch.
    """
    all_rows = [torch.arange(len(batch))] if mini_batches is None else mini_batches
    parts = [part for rows in all_rows for part in micro_batches(batch, rows, setup)]
    compute = partial(policy_log_probs, policy, setup=setup)
    return collect_log_probs(batch, parts, compute, with_entropy=with_entropy)


def collect_log_probs(
    batch: RolloutBatch,
    parts: Sequence[Tensor],
    log_probs_of: LogProbFunction,
    *,
    with_entropy: bool,
) -> TokenLogProbs:
    """Return the log-probs of all micro-batches ``parts`` on the CPU, without gradients."""
    with torch.no_grad():
        computed = [log_probs_of(batch, part, with_entropy=with_entropy) for part in parts]
    return put_together(batch, parts, computed)


def put_together(
    batch: RolloutBatch, parts: Sequence[Tensor], computed: Sequence[TokenLogProbs]
) -> TokenLogProbs:
    """Return the log-probs of micro-batches in their rows of one table, on the CPU.

    Args:
        batch: B rollouts of at most T tokens.
        parts: Rows of each micro-batch.
        computed: Their log-probs, each as wide as the micro-batch's longest response.

    Returns:
        [B, T], no gradient; 0 for rollouts in no micro-batch. Entropies if every one has them.
    """
    log_probs, entropy = torch.zeros(2, *batch.response_mask.shape)
    for part, result in zip(parts, computed, strict=True):
        log_probs[part, : result.log_probs.shape[1]] = result.log_probs.detach().cpu()
        if result.entropy is not None:
            entropy[part, : result.entropy.shape[1]] = result.entropy.cpu()
    has_entropy = all(result.entropy is not None for result in computed)
    return TokenLogProbs(log_probs=log_probs, entropy=entropy if has_entropy else None)
