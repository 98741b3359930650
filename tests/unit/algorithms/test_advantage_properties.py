"""What holds of advantages whatever the rewards."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pmd_pipeline.algorithms import compute_advantages
from pmd_pipeline.config.algorithms import Baseline

REWARDS = st.floats(-5, 5).map(lambda reward: round(reward, 3))
TAUS = st.sampled_from([0.002, 0.01, 0.05, 0.5, 3.0])
BASELINES = st.sampled_from(get_args(Baseline))


@st.composite
def rounds(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Rewards and ids of up to five groups of two to seven rollouts, shuffled together."""
    sizes = draw(st.lists(st.integers(2, 7), min_size=1, max_size=5))
    group_ids = draw(st.permutations([group for group, n in enumerate(sizes) for _ in range(n)]))
    rewards = draw(st.lists(REWARDS, min_size=len(group_ids), max_size=len(group_ids)))
    return torch.tensor(rewards, dtype=torch.float64), torch.tensor(group_ids)


def by_hand(rewards: Tensor, group_ids: Tensor, baseline: Baseline, tau: float) -> list[float]:
    """Return advantages by the plainest loop over rollouts and the others of their groups."""
    advantages = []
    for i, reward in enumerate(rewards.tolist()):
        group = [r for j, r in enumerate(rewards.tolist()) if group_ids[j] == group_ids[i]]
        others = list(group)
        others.remove(reward)
        values = others if baseline.startswith("leave_one_out") else group
        if baseline.endswith("log_partition"):
            top = max(values)
            mean = math.fsum(math.exp((r - top) / tau) for r in values) / len(values)
            advantages.append(reward - top - tau * math.log(mean))
        else:
            scale = np.std(group, ddof=1) + 1e-6 if baseline == "group_standardised" else 1.0
            advantages.append((reward - math.fsum(values) / len(values)) / scale)
    return advantages


@settings(deadline=None)
@given(rounds(), BASELINES, TAUS)
def test_they_are_what_a_loop_over_rollouts_gives(a_round, baseline, tau):
    rewards, group_ids = a_round
    advantages = compute_advantages(rewards, group_ids, baseline=baseline, tau=tau)
    expected = by_hand(rewards, group_ids, baseline, tau)
    # Standardising divides rounding errors by a deviation of 1e-6 or more.
    tolerance = 1e-9 if baseline == "group_standardised" else 1e-13
    assert advantages.tolist() == pytest.approx(expected, rel=tolerance, abs=tolerance)


@settings(deadline=None)
@given(rounds(), BASELINES, TAUS, st.floats(-100, 100))
def test_adding_a_constant_to_the_rewards_changes_nothing(a_round, baseline, tau, constant):
    rewards, group_ids = a_round
    before = compute_advantages(rewards, group_ids, baseline=baseline, tau=tau)
    after = compute_advantages(rewards + constant, group_ids, baseline=baseline, tau=tau)
    tolerance = 1e-7 if baseline == "group_standardised" else 1e-12
    torch.testing.assert_close(after, before, rtol=tolerance, atol=tolerance)


@settings(deadline=None)
@given(
    rounds(),
    st.sampled_from([b for b in get_args(Baseline) if b != "group_standardised"]),
    TAUS,
    st.floats(0.01, 100),
)
def test_scaling_rewards_and_tau_scales_them_alike(a_round, baseline, tau, scale):
    rewards, group_ids = a_round
    before = compute_advantages(rewards, group_ids, baseline=baseline, tau=tau)
    after = compute_advantages(scale * rewards, group_ids, baseline=baseline, tau=scale * tau)
    torch.testing.assert_close(after, scale * before, rtol=1e-12, atol=1e-12 * scale)


@settings(deadline=None)
@given(rounds(), BASELINES, TAUS, st.randoms(use_true_random=False))
def test_the_order_of_the_rollouts_does_not_matter(a_round, baseline, tau, random):
    rewards, group_ids = a_round
    order = list(range(len(rewards)))
    random.shuffle(order)
    advantages = compute_advantages(rewards, group_ids, baseline=baseline, tau=tau)
    shuffled = compute_advantages(rewards[order], group_ids[order], baseline=baseline, tau=tau)
    tolerance = 1e-9 if baseline == "group_standardised" else 1e-13
    torch.testing.assert_close(shuffled, advantages[order], rtol=tolerance, atol=tolerance)


@settings(deadline=None)
@given(rounds(), TAUS)
def test_the_log_partition_baseline_lies_between_the_mean_and_the_best_reward(a_round, tau):
    rewards, group_ids = a_round
    mean = compute_advantages(rewards, group_ids, baseline="mean")
    part = compute_advantages(rewards, group_ids, baseline="log_partition", tau=tau)
    size = torch.bincount(group_ids).double()[group_ids]
    assert bool((part <= mean + 1e-12).all())
    assert bool((part <= tau * size.log() + 1e-12).all())


@settings(deadline=None)
@given(rounds())
def test_leaving_one_out_of_the_mean_scales_the_advantage_by_n_over_n_minus_1(a_round):
    rewards, group_ids = a_round
    mean = compute_advantages(rewards, group_ids, baseline="mean")
    left_out = compute_advantages(rewards, group_ids, baseline="leave_one_out_mean")
    size = torch.bincount(group_ids).double()[group_ids]
    torch.testing.assert_close(left_out * (size - 1) / size, mean, rtol=1e-14, atol=1e-15)


@settings(deadline=None)
@given(rounds())
def test_a_large_tau_turns_the_log_partition_into_the_mean(a_round):
    rewards, group_ids = a_round
    tau = 1e6
    for partition, mean in [
        ("log_partition", "mean"),
        ("leave_one_out_log_partition", "leave_one_out_mean"),
    ]:
        part = compute_advantages(rewards, group_ids, baseline=partition, tau=tau)
        limit = compute_advantages(rewards, group_ids, baseline=mean)
        # The next term of the expansion is the variance over 2 tau: at most 25 / 2e6.
        torch.testing.assert_close(part, limit, rtol=0, atol=1.3e-5)
