"""Importance weights, partition weights, and the prompt filter."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pmd_pipeline.algorithms import (
    groups_with_signal,
    groups_within_bounds,
    partition_weights,
    sequence_importance_weights,
    token_importance_weights,
)

TRAINER = torch.tensor([[math.log(0.5), math.log(0.9), math.log(0.2)], [-1.0, -1.0, math.nan]])
SAMPLER = torch.tensor([[math.log(0.4), math.log(0.3), math.log(0.4)], [-1.0, 999.0, math.nan]])
MASK = torch.tensor([[True, True, True], [True, False, False]])


def test_token_weights_are_the_ratio_of_probabilities_truncated_at_the_cap():
    weights = token_importance_weights(TRAINER, SAMPLER, MASK, cap=2.0)
    expected = [[1.25, 2.0, 0.5], [1.0, 1.0, 1.0]]
    torch.testing.assert_close(weights, torch.tensor(expected))


def test_sequence_weights_are_the_ratio_of_the_responses_truncated_at_the_cap():
    weights = sequence_importance_weights(TRAINER, SAMPLER, MASK, cap=2.0)
    torch.testing.assert_close(weights, torch.tensor([1.25 * 3 * 0.5, 1.0]))
    capped = sequence_importance_weights(TRAINER, SAMPLER, MASK, cap=1.5)
    assert capped.tolist() == [1.5, 1.0]


@pytest.mark.parametrize("weights_of", [token_importance_weights, sequence_importance_weights])
def test_importance_weights_carry_no_gradient_and_do_not_overflow(weights_of):
    trainer = torch.tensor([[0.0, -1.0]], requires_grad=True)
    weights = weights_of(
        trainer, torch.tensor([[-1e30, -1.0]]), torch.tensor([[True, True]]), cap=3.0
    )
    assert not weights.requires_grad
    assert weights.max().item() == 3.0


@pytest.mark.parametrize("cap", [0.0, -1.0, math.inf, math.nan])
def test_a_cap_that_is_not_positive_is_refused(cap):
    with pytest.raises(ValueError, match="cap of importance weights"):
        token_importance_weights(TRAINER, SAMPLER, MASK, cap=cap)


def test_a_mask_that_is_not_bool_is_refused():
    with pytest.raises(ValueError, match="response_mask must be bool"):
        token_importance_weights(TRAINER, SAMPLER, MASK.float(), cap=2.0)


def test_partition_weights_are_the_ideal_steps_ratio_with_the_groups_own_partition():
    rewards = torch.tensor([1.0, 7.0, 0.0, 7.0, 0.0], dtype=torch.float64)
    group_ids = torch.tensor([0, 1, 0, 1, 0])
    tau = 1 / math.log(4)  # e ** (1 / tau) = 4: the partition of group 0 is (4 + 1 + 1) / 3 = 2
    weights = partition_weights(rewards, group_ids, tau=tau)
    assert weights.tolist() == pytest.approx([2.0, 1.0, 0.5, 1.0, 0.5], rel=1e-14)


@settings(deadline=None)
@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=9), st.sampled_from([0.01, 0.3, 1.0, 30.0])
)
def test_partition_weights_average_to_one_in_a_group_and_rise_with_the_reward(rewards, tau):
    weights = partition_weights(
        torch.tensor(rewards, dtype=torch.float64),
        torch.zeros(len(rewards), dtype=torch.int64),
        tau=tau,
    )
    assert weights.mean().item() == pytest.approx(1.0, rel=1e-13)
    by_reward = sorted(zip(rewards, weights.tolist(), strict=True))
    assert all(low <= high for (_, low), (_, high) in pairwise(by_reward))


def test_partition_weights_of_groups_without_a_signal_are_exactly_one():
    weights = partition_weights(torch.full((3,), 0.1), torch.tensor([0, 0, 0]), tau=0.01)
    torch.testing.assert_close(weights, torch.ones(3))


def test_the_prompt_filter_keeps_groups_strictly_between_its_bounds():
    #                       all right    mixed        all wrong   half
    rewards = torch.tensor([1.0, 1.0, 1, 1.0, -1, 1, -1, -1, -1, 1.0, -1])
    group_ids = torch.tensor([4, 4, 4, 2, 2, 2, 9, 9, 9, 1, 1])
    kept = groups_within_bounds(rewards, group_ids, low=-1.0, high=1.0)
    assert kept.tolist() == [False] * 3 + [True] * 3 + [False] * 3 + [True] * 2
    only_high = groups_within_bounds(rewards, group_ids, high=0.0)
    assert set(group_ids[only_high].tolist()) == {9}
    assert groups_within_bounds(rewards, group_ids).all()


def test_a_bound_equal_to_rewards_without_exact_binary_form_excludes_them():
    rewards = torch.full((3,), 0.1, dtype=torch.float64)
    assert sum([0.1] * 3) / 3 != 0.1
    kept = groups_within_bounds(rewards, torch.tensor([0, 0, 0]), high=0.1)
    assert not kept.any()
    assert not groups_within_bounds(rewards, torch.tensor([0, 0, 0]), low=0.1).any()


def test_a_group_has_a_signal_where_its_rewards_differ():
    rewards = torch.tensor([0.1, 0.1, -1.0, 0.1, 1.0, 2.0, 2.0, 5.0], dtype=torch.float64)
    group_ids = torch.tensor([4, 4, 2, 4, 2, 9, 9, 1])
    has_signal = groups_with_signal(rewards, group_ids)
    assert has_signal.tolist() == [False, False, True, False, True, False, False, False]


def test_bounds_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match="low must be below high"):
        groups_within_bounds(torch.ones(2), torch.tensor([0, 0]), low=1.0, high=1.0)
