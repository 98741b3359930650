"""Rollouts as tensors, and their division into mini- and micro-batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import make_rollouts

from pmd_pipeline.records import Completion
from pmd_pipeline.rollouts.batch import micro_batch_rows, mini_batch_rows, rollout_tokens, to_batch


def test_tensors_hold_each_rollout_and_zero_in_the_padding() -> None:
    rollouts = make_rollouts()
    batch = to_batch(rollouts)
    for row, rollout in enumerate(rollouts):
        length = len(rollout.completion.token_ids)
        assert (
            tuple(batch.response_token_ids[row, :length].tolist()) == rollout.completion.token_ids
        )
        assert batch.response_mask[row].sum() == length
        assert (batch.sampler_log_probs[row, length:] == 0).all()
    assert batch.rewards.tolist() == [rollout.reward for rollout in rollouts]


def test_rollouts_of_a_problem_form_a_group() -> None:
    assert to_batch(make_rollouts(3, 2)).group_ids.tolist() == [0, 0, 1, 1, 2, 2]


def test_mini_batches_hold_whole_groups_once_each() -> None:
    rows = mini_batch_rows(torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]), 2)
    assert [part.tolist() for part in rows] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_groups_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="3 prompts do not divide into 2 mini-batches"):
        mini_batch_rows(torch.tensor([0, 1, 2]), 2)


@pytest.mark.parametrize("max_tokens", [1, 20, 60, 10_000])
def test_micro_batches_hold_every_row_once_and_keep_the_limit(max_tokens: int) -> None:
    batch = to_batch(make_rollouts())
    parts = micro_batch_rows(batch, torch.arange(16), max_tokens)
    assert sorted(torch.cat(parts).tolist()) == list(range(16))
    for part in parts:
        lengths = [
            len(batch.prompt_token_ids[row]) + int(batch.response_mask[row].sum())
            for row in part.tolist()
        ]
        assert max(lengths) * len(part) <= max_tokens or len(part) == 1


@pytest.mark.parametrize("max_tokens", [1, 20, 60, 10_000])
def test_packed_micro_batches_count_real_tokens_alone_and_are_as_few_as_those_allow(
    max_tokens: int,
) -> None:
    batch = to_batch(make_rollouts())
    parts = micro_batch_rows(batch, torch.arange(16), max_tokens, packed=True)
    assert sorted(torch.cat(parts).tolist()) == list(range(16))
    prompt_lengths = torch.tensor([len(prompt) for prompt in batch.prompt_token_ids])
    lengths = prompt_lengths + batch.response_mask.sum(dim=1)
    sums = [int(lengths[part].sum()) for part in parts]
    assert all(n <= max_tokens or len(part) == 1 for n, part in zip(sums, parts, strict=True))
    # The first row of each part would not have fitted into the one before.
    for before, part in zip(sums, parts[1:], strict=False):
        assert before + int(lengths[part[0]]) > max_tokens
    assert len(parts) <= len(micro_batch_rows(batch, torch.arange(16), max_tokens))


def test_short_rows_are_not_padded_to_long_ones() -> None:
    rollouts = make_rollouts(num_groups=8, group_size=4)
    lengths = [100] * 8 + [50] * 8 + [20] * 16
    batch = to_batch(
        [
            replace(
                rollout,
                prompt_token_ids=(1,),
                completion=Completion(
                    token_ids=(5,) * length,
                    log_probs=np.zeros(length, dtype=np.float32),
                    truncated=False,
                ),
            )
            for rollout, length in zip(rollouts, lengths, strict=True)
        ]
    )
    all_rows = torch.arange(32)
    assert [len(part) for part in micro_batch_rows(batch, all_rows, 2_000)] == [8, 8, 16]
    # A part goes on until it has an eighth of what fits into it: 500 of 4,000 tokens.
    assert [len(part) for part in micro_batch_rows(batch, all_rows, 4_000)] == [8, 10, 14]


def test_no_rollout_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one rollout"):
        to_batch([])


def test_tokens_of_a_rollout_are_those_of_prompt_and_response() -> None:
    rollouts = make_rollouts()
    assert rollout_tokens(to_batch(rollouts)) == [
        len(rollout.prompt_token_ids) + len(rollout.completion.token_ids) for rollout in rollouts
    ]
