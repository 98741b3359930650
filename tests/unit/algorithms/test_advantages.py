"""Advantages against checked and hand-computed values, and what is refused."""

import math
from typing import get_args

import pytest
import torch
from torch import Tensor

from pmd_pipeline.algorithms import advantages_of, compute_advantages
from pmd_pipeline.config.algorithms import Baseline, PmdPartConfig

ORACLE_NAME_OF_BASELINE: dict[Baseline, str] = {
    "mean": "mean",
    "leave_one_out_mean": "loo_mean",
    "log_partition": "log_partition",
    "leave_one_out_log_partition": "loo_log_partition",
    "group_standardised": "grpo",
}


def one_group(rewards: list[float]) -> tuple[Tensor, Tensor]:
    """Return the rewards and ids of a single group."""
    return torch.tensor(rewards, dtype=torch.float64), torch.zeros(len(rewards), dtype=torch.int64)


@pytest.mark.parametrize("baseline", get_args(Baseline))
def test_every_baseline_gives_the_checked_advantages(oracles, baseline):
    num_checked = 0
    for case in oracles["advantages"]:
        expected = case[ORACLE_NAME_OF_BASELINE[baseline]]
        if None in expected:
            continue
        names = sorted(set(case["groups"]), key=str)
        advantages = compute_advantages(
            torch.tensor(case["rewards"], dtype=torch.float64),
            torch.tensor([names.index(group) for group in case["groups"]]),
            baseline=baseline,
            tau=case["tau"],
        )
        assert advantages.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12), case["name"]
        num_checked += 1
    assert num_checked >= 6


def test_the_one_success_of_sixteen_gets_its_exact_advantage_at_a_small_tau():
    rewards, group_ids = one_group([1.0] + [0.0] * 15)
    advantages = compute_advantages(
        rewards, group_ids, baseline="leave_one_out_log_partition", tau=0.01
    )
    # A partition clamped at 1e-8 would give 0.184.
    assert float(advantages[0]) == pytest.approx(1.0, abs=1e-15)
    assert float(advantages[1]) == pytest.approx(-(1 - 0.01 * math.log(15)), rel=1e-14)


def test_a_lone_success_keeps_the_reward_gap_down_to_a_tau_of_a_millionth():
    rewards, group_ids = one_group([1.0, -1.0, -1.0])
    for tau in (1e-2, 1e-4, 1e-6):
        advantages = compute_advantages(
            rewards, group_ids, baseline="leave_one_out_log_partition", tau=tau
        )
        assert float(advantages[0]) == pytest.approx(2.0, rel=1e-15)
        assert float(advantages[1]) == pytest.approx(-2 + tau * math.log(2), rel=1e-14)


@pytest.mark.parametrize(("tau", "success"), [(0.01, -0.01 * math.log(1e-8)), (0.2, 2.0)])
def test_a_floor_bounds_a_lone_successs_advantage_where_the_gap_exceeds_it(tau, success):
    """Rewards of +1 and -1: the others' partition is exp(-2 / tau), 1e-87 and 4.5e-5."""
    rewards, group_ids = one_group([1.0] + [-1.0] * 15)
    config = PmdPartConfig(tau=tau, partition_floor=1e-8)
    floored = advantages_of(config, rewards, group_ids)
    exact = advantages_of(PmdPartConfig(tau=tau), rewards, group_ids)
    assert float(floored[0]) == pytest.approx(success, rel=1e-14)
    assert float(exact[0]) == pytest.approx(2.0, rel=1e-14)
    # A failure always has the success among its others: its partition is at least 1 / 15.
    assert torch.equal(floored[1:], exact[1:])


def test_the_floor_is_under_the_mean_relative_to_the_best_of_the_whole_group():
    """Against the formula itself, with the best reward of a group far from 0."""
    values, tau, floor = [7.0, 6.5, 6.0, 6.0], 0.1, 0.01
    rewards, group_ids = one_group(values)
    expected = []
    for i, reward in enumerate(values):
        others = [math.exp((r - 7.0) / tau) for j, r in enumerate(values) if j != i]
        expected.append(reward - 7.0 - tau * math.log(max(floor, sum(others) / 3)))
    assert sum(others) / 3 > floor > (math.exp(-5) + 2 * math.exp(-10)) / 3
    floored = compute_advantages(
        rewards,
        group_ids,
        baseline="leave_one_out_log_partition",
        tau=tau,
        partition_floor=floor,
    )
    assert floored.tolist() == pytest.approx(expected, rel=1e-13)


def test_a_floor_leaves_a_group_without_a_signal_at_exactly_zero():
    rewards, group_ids = one_group([0.1] * 7)
    config = PmdPartConfig(tau=0.3, partition_floor=0.999)
    assert advantages_of(config, rewards, group_ids).tolist() == [0.0] * 7


@pytest.mark.parametrize(
    ("baseline", "floor", "message"),
    [
        ("leave_one_out_log_partition", 0.0, r"must lie in \(0, 1\), found 0"),
        ("leave_one_out_log_partition", 1.0, r"must lie in \(0, 1\), found 1"),
        ("log_partition", 1e-8, "found it with log_partition"),
    ],
)
def test_a_floor_out_of_range_or_place_is_refused(baseline, floor, message):
    rewards, group_ids = one_group([1.0, -1.0])
    with pytest.raises(ValueError, match=message):
        compute_advantages(rewards, group_ids, baseline=baseline, tau=0.1, partition_floor=floor)


def test_groups_of_different_sizes_may_be_interleaved():
    rewards = torch.tensor([4.0, 1.0, 2.0, 3.0, 0.0, 9.0], dtype=torch.float64)
    group_ids = torch.tensor([70, -5, 70, -5, -5, 8])
    advantages = compute_advantages(rewards, group_ids, baseline="mean")
    third = 4 / 3
    assert advantages.tolist() == pytest.approx(
        [1.0, 1 - third, -1.0, 3 - third, -third, 0.0], abs=1e-15
    )


@pytest.mark.parametrize("baseline", get_args(Baseline))
@pytest.mark.parametrize("tau", [0.005, 0.3, 1.0, 700.0])
def test_equal_rewards_have_advantages_of_exactly_zero(baseline, tau):
    """A rest of 1e-16 would be a gradient, and AdamW makes a step of any gradient."""
    sizes = torch.arange(2, 130)
    group_ids = torch.arange(len(sizes)).repeat_interleave(sizes)
    rewards = (0.1 * torch.arange(len(sizes), dtype=torch.float64))[group_ids]
    advantages = compute_advantages(rewards, group_ids, baseline=baseline, tau=tau)
    assert torch.equal(advantages, torch.zeros(len(rewards), dtype=torch.float64))


@pytest.mark.parametrize("baseline", ["mean", "log_partition"])
def test_a_group_of_one_has_advantage_zero_where_it_is_its_own_baseline(baseline):
    rewards, group_ids = one_group([0.7])
    assert compute_advantages(rewards, group_ids, baseline=baseline, tau=0.1).tolist() == [0.0]


@pytest.mark.parametrize("baseline", get_args(Baseline))
def test_a_group_of_equal_rewards_has_advantages_of_exactly_zero(baseline):
    # 0.1 has no exact binary form: its sum over three, divided by three, is not 0.1.
    rewards, group_ids = one_group([0.1, 0.1, 0.1])
    advantages = compute_advantages(rewards, group_ids, baseline=baseline, tau=0.3)
    tolerance = 1e-15 if "log_partition" in baseline else 0.0
    assert advantages.abs().max() <= tolerance


@pytest.mark.parametrize(
    "baseline", ["leave_one_out_mean", "leave_one_out_log_partition", "group_standardised"]
)
def test_a_group_of_one_is_refused_where_the_baseline_is_undefined_for_it(baseline):
    rewards = torch.tensor([1.0, 0.0, 1.0])
    with pytest.raises(ValueError, match=rf"{baseline} is undefined for a group of one.*group 42"):
        compute_advantages(rewards, torch.tensor([3, 42, 3]), baseline=baseline, tau=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("baseline", get_args(Baseline))
def test_the_type_of_the_rewards_is_kept(baseline, dtype):
    rewards = torch.tensor([1.0, 0.0], dtype=dtype, requires_grad=True)
    advantages = compute_advantages(rewards, torch.tensor([0, 0]), baseline=baseline, tau=0.1)
    assert advantages.dtype == dtype
    assert not advantages.requires_grad


@pytest.mark.parametrize("baseline", get_args(Baseline))
def test_float32_rewards_are_worked_on_in_float64(baseline):
    rewards = torch.randn(64, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    group_ids = torch.arange(64) % 4
    exact = compute_advantages(rewards.double(), group_ids, baseline=baseline, tau=0.3)
    advantages = compute_advantages(rewards, group_ids, baseline=baseline, tau=0.3)
    assert torch.equal(advantages, exact.float())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_not_finite_is_refused_with_its_place(value):
    rewards = torch.tensor([0.0, 1.0, value])
    with pytest.raises(ValueError, match=r"reward 2 of 3 \(group 6\) is -?(nan|inf)"):
        compute_advantages(rewards, torch.tensor([5, 5, 6]), baseline="mean")


@pytest.mark.parametrize("baseline", ["log_partition", "leave_one_out_log_partition"])
def test_the_log_partition_baselines_need_tau(baseline):
    with pytest.raises(ValueError, match="needs tau"):
        compute_advantages(torch.ones(2), torch.tensor([0, 0]), baseline=baseline)


@pytest.mark.parametrize("tau", [0.0, -0.1, math.nan, math.inf])
def test_a_tau_that_is_not_positive_is_refused(tau):
    with pytest.raises(ValueError, match="tau must be positive"):
        compute_advantages(torch.ones(2), torch.tensor([0, 0]), baseline="mean", tau=tau)


@pytest.mark.parametrize(
    ("rewards", "group_ids", "message"),
    [
        (torch.ones(3), torch.zeros(2, dtype=torch.int64), r"found \[3\] and \[2\]"),
        (torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.int64), r"must both be \[B\]"),
        (torch.ones(0), torch.zeros(0, dtype=torch.int64), "at least one rollout"),
        (torch.ones(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64), "found torch.int64"),
        (torch.ones(2), torch.zeros(2), "group_ids must be int64 or int32, found torch.float32"),
    ],
)
def test_inputs_of_the_wrong_shape_or_type_are_refused(rewards, group_ids, message):
    with pytest.raises(ValueError, match=message):
        compute_advantages(rewards, group_ids, baseline="mean")


def test_an_unknown_baseline_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'rloo'.*leave_one_out_mean"):
        compute_advantages(torch.ones(2), torch.tensor([0, 0]), baseline="rloo")  # type: ignore[arg-type]


@pytest.mark.parametrize("baseline", list(ORACLE_NAME_OF_BASELINE)[:4])
def test_the_baselines_have_the_checked_moments_over_all_binary_groups(oracles, baseline):
    """Enumerate a group's number of successes: the exact mean and variance of the baseline."""
    for case in oracles["estimator_moments"]:
        p, n, tau = case["p"], case["n"], case["tau"]
        expected = case[ORACLE_NAME_OF_BASELINE[baseline]]
        for own_reward in (0.0, 1.0):
            mean = mean_square = 0.0
            for others in range(n):
                probability = math.comb(n - 1, others) * p**others * (1 - p) ** (n - 1 - others)
                rewards, group_ids = one_group(
                    [own_reward] + [1.0] * others + [0.0] * (n - 1 - others)
                )
                advantages = compute_advantages(rewards, group_ids, baseline=baseline, tau=tau)
                value = own_reward - float(advantages[0])
                mean += probability * value
                mean_square += probability * value**2
            suffix = f"given_r{own_reward:.0f}"
            assert mean == pytest.approx(expected[f"E_baseline_{suffix}"], rel=1e-11)
            variance = mean_square - mean**2
            assert variance == pytest.approx(
                expected[f"Var_baseline_{suffix}"], rel=1e-8, abs=1e-14
            )
