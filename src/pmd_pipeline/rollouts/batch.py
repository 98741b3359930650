"""Rollouts as tensors, and their division into micro-batches.

Shapes: B rollouts, T tokens (the longest response of the batch).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from pmd_pipeline.records import Rollout

# A row at most this share of its part's width is better off in a part of its own, unless the part
# before has less than this share of the tokens that fit into it: many small parts are slow too.
_SHORT_FRACTION = 3 / 4
_SMALL_FRACTION = 1 / 8


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutBatch:
    """Rollouts as tensors, right-padded; the example has two rollouts of one group.

    ::

        prompts        <bos> 2 + 3 ?          responses   \\boxed{ 5 } <eos>
                       <bos> 2 + 3 ?                      \\boxed{ 7 } <eos>
        response_mask  [[1, 1, 1, 1], [1, 1, 1, 1]]       group_ids [0, 0]

    Attributes:
        prompt_token_ids: Prompts, a list of B lists.
        response_token_ids: Padding holds 0.
        response_mask: True on tokens that the policy sampled (the stop token included).
        sampler_log_probs: The sampler's log-probs, nats; padding holds 0.
        rewards: Reward units.
        group_ids: Rollouts of one prompt share an id.
    """

    prompt_token_ids: list[list[int]]
    response_token_ids: Int64[Tensor, "B T"]
    response_mask: Bool[Tensor, "B T"]
    sampler_log_probs: Float32[Tensor, "B T"]
    rewards: Float64[Tensor, " B"]
    group_ids: Int64[Tensor, " B"]

    def __len__(self) -> int:
        return len(self.prompt_token_ids)


def to_batch(rollouts: Sequence[Rollout]) -> RolloutBatch:
    """Return rollouts as right-padded tensors; rollouts of one problem form a group.

    Raises:
        ValueError: If there is no rollout.
    """
    if not rollouts:
        raise ValueError("a batch needs at least one rollout")
    completions = [rollout.completion for rollout in rollouts]
    lengths = torch.tensor([len(completion.token_ids) for completion in completions])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    tokens = chain.from_iterable(completion.token_ids for completion in completions)
    token_ids = torch.zeros(mask.shape, dtype=torch.long)
    token_ids[mask] = torch.from_numpy(np.fromiter(tokens, np.int64, int(lengths.sum())))
    log_probs = torch.zeros(mask.shape, dtype=torch.float32)
    log_probs[mask] = torch.from_numpy(
        np.concatenate([completion.log_probs for completion in completions])
    )
    group_of: dict[str, int] = {}
    for rollout in rollouts:
        group_of.setdefault(rollout.problem_id, len(group_of))
    return RolloutBatch(
        prompt_token_ids=[list(rollout.prompt_token_ids) for rollout in rollouts],
        response_token_ids=token_ids,
        response_mask=mask,
        sampler_log_probs=log_probs,
        rewards=torch.tensor([rollout.reward for rollout in rollouts], dtype=torch.float64),
        group_ids=torch.tensor([group_of[rollout.problem_id] for rollout in rollouts]),
    )


def select_rows(batch: RolloutBatch, rows: Tensor) -> RolloutBatch:
    """Return some of a batch's rollouts, in the order of ``rows``."""
    return RolloutBatch(
        prompt_token_ids=[batch.prompt_token_ids[row] for row in rows.tolist()],
        response_token_ids=batch.response_token_ids[rows],
        response_mask=batch.response_mask[rows],
        sampler_log_probs=batch.sampler_log_probs[rows],
        rewards=batch.rewards[rows],
        group_ids=batch.group_ids[rows],
    )


def rollout_tokens(batch: RolloutBatch) -> list[int]:
    """Return the tokens of each rollout, prompt and response."""
    response_tokens = batch.response_mask.sum(dim=1).tolist()
    return [
        len(prompt) + tokens
        for prompt, tokens in zip(batch.prompt_token_ids, response_tokens, strict=True)
    ]


def mini_batch_rows(group_ids: Tensor, num_mini_batches: int) -> list[Tensor]:
    """Return the rows of each mini-batch: whole groups, the same number in each.

    Args:
        group_ids: From 0, int64, [B].
        num_mini_batches: Divides the number of groups.

    Raises:
        ValueError: If it does not.
    """
    num_groups = int(group_ids.max()) + 1
    if num_groups % num_mini_batches:
        raise ValueError(f"{num_groups} prompts do not divide into {num_mini_batches} mini-batches")
    mini_batch_of = group_ids // (num_groups // num_mini_batches)
    return [(mini_batch_of == i).nonzero().squeeze(-1) for i in range(num_mini_batches)]


def micro_batch_rows(
    batch: RolloutBatch, rows: Tensor, max_tokens: int, *, packed: bool = False
) -> list[Tensor]:
    """Return ``rows`` sorted by length and cut so that a part has at most ``max_tokens`` tokens.

    Padding counts, unless the rows are ``packed``, and rows much shorter than a part's longest one
    begin the next part, once this one is no longer small: what they would be padded with costs more
    than another part. A row that is longer than ``max_tokens`` is a part of its own.
    """
    response_lengths = batch.response_mask.sum(dim=1).tolist()
    length_of = {
        row: len(batch.prompt_token_ids[row]) + response_lengths[row] for row in rows.tolist()
    }
    parts: list[list[int]] = []
    num_tokens = 0  # of the last part
    width = 0  # of the last part's rows
    # Longest first: a part's first row decides its width.
    for row in sorted(length_of, key=lambda row: (-length_of[row], row)):
        length = length_of[row]
        is_much_shorter = (
            length <= _SHORT_FRACTION * width and num_tokens >= max_tokens * _SMALL_FRACTION
        )
        added = length if packed else width
        if parts and num_tokens + added <= max_tokens and (packed or not is_much_shorter):
            parts[-1].append(row)
            num_tokens += added
        else:
            parts.append([row])
            num_tokens = width = length
    return [torch.tensor(part) for part in parts]
