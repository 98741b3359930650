"""Propositions 4.9 and 4.10 (reconstructed) and the other limits of tau."""

import numpy as np
import pytest

from pmd_pipeline.theory import (
    binary_large_tau_limit,
    binary_small_tau_limit,
    pmd_mean_small_tau_policy,
    solve_binary,
    solve_pmd_mean,
)


def errors(method, p, taus, limit):
    exact, leading = solve_binary(p, taus, method=method), limit(p, taus, method=method)
    return {
        field: np.abs(getattr(exact, field) - getattr(leading, field))
        for field in ("success_log_ratio", "failure_log_ratio", "lam")
    }


@pytest.mark.parametrize("p", [0.1, 0.3, 0.7])
def test_log_ratios_of_pmd_mean_at_small_tau(p):
    """Proposition 4.9: s+ -> -log p and s- -> -p / tau, with an error of order exp(-p / tau)."""
    taus = p / np.array([4.0, 8.0, 12.0, 16.0])
    leading = binary_small_tau_limit(p, taus, method="pmd_mean")
    assert leading.success_log_ratio == pytest.approx(-np.log(p))
    assert leading.failure_log_ratio == pytest.approx(-p / taus)
    found = errors("pmd_mean", p, taus, binary_small_tau_limit)
    # (1 - p) exp(-p / tau) for s+; lambda, nearly (1 - p) p / tau, times exp(-p / tau) for s-.
    order = np.exp(-p / taus)
    assert found["success_log_ratio"][1:] == pytest.approx(((1 - p) * order)[1:], rel=0.05)
    lam = solve_binary(p, taus, method="pmd_mean").lam
    assert found["failure_log_ratio"][1:] == pytest.approx((lam * order)[1:], rel=0.05)
    assert found["lam"][-1] < 1e-5


@pytest.mark.parametrize("p", [0.1, 0.3, 0.7])
def test_log_ratios_of_pmd_part_at_small_tau(p):
    """Proposition 4.10: s+ -> -log p, s- -> -1 / tau - log p, error ((1 - p) / p) exp(-1 / tau)."""
    taus = 1 / np.array([6.0, 9.0, 12.0])
    leading = binary_small_tau_limit(p, taus, method="pmd_part")
    assert leading.failure_log_ratio == pytest.approx(-1 / taus - np.log(p))
    found = errors("pmd_part", p, taus, binary_small_tau_limit)
    order = (1 - p) / p * np.exp(-1 / taus)
    assert found["success_log_ratio"] == pytest.approx(order, rel=0.02)
    assert found["failure_log_ratio"] == pytest.approx(order, rel=0.02)


@pytest.mark.parametrize("method", ["pmd_mean", "pmd_part"])
def test_the_large_tau_expansion_is_of_third_order(method):
    """Halving 1 / tau shrinks every error at least 16 times (0.3 keeps the fourth order alive)."""
    taus = np.array([5.0, 10.0, 20.0, 40.0])
    found = errors(method, 0.3, taus, binary_large_tau_limit)
    for field in ("success_log_ratio", "failure_log_ratio"):
        assert (found[field][1:] <= found[field][:-1] / 15.5).all()
    if method == "pmd_mean":
        assert (found["lam"][1:] <= found["lam"][:-1] / 15.5).all()
    assert found["failure_log_ratio"][1] / found["failure_log_ratio"][2] == pytest.approx(
        16, rel=0.05
    )


def test_small_tau_does_not_make_pmd_mean_greedy():
    """It tends to pi_t times the positive advantage, the error falling like tau log(1 / tau)."""
    probs, rewards = np.array([0.5, 0.3, 0.2]), np.array([0.0, 0.6, 1.0])
    limit = pmd_mean_small_tau_policy(probs, rewards)
    # mean 0.38: weights 0.3 * 0.22 and 0.2 * 0.62.
    assert limit == pytest.approx([0.0, 0.066 / 0.19, 0.124 / 0.19])
    taus = np.array([1e-2, 1e-3, 1e-4, 1e-5])
    gap = [np.abs(solve_pmd_mean(probs, rewards, tau).probs - limit).max() for tau in taus]
    scaled = np.array(gap) / (taus * np.log(1 / taus))
    assert gap[-1] < 1e-4
    assert scaled[-1] == pytest.approx(scaled[-2], rel=0.5)
    assert (np.diff(gap) < 0).all()


def test_lambda_times_tau_tends_to_the_mean_positive_advantage():
    """The chi-squared term survives: its weight stays of the order of the rewards."""
    probs, rewards = np.array([0.5, 0.3, 0.2]), np.array([0.0, 0.6, 1.0])
    assert solve_pmd_mean(probs, rewards, 1e-6).lam * 1e-6 == pytest.approx(0.19, rel=1e-4)


def test_the_small_tau_policy_of_equal_rewards_is_the_policy_itself():
    """Row by row in a batch."""
    limit = pmd_mean_small_tau_policy([[0.5, 0.5], [0.5, 0.5]], [[1.0, 1.0], [1.0, 0.0]])
    assert limit.tolist() == [[0.5, 0.5], [1.0, 0.0]]


@pytest.mark.parametrize("method", ["pmd_mean", "pmd_part"])
def test_limits_follow_the_reward_gap(method):
    """Rewards of -1 and 1 at tau act like 0 and 1 at tau / 2."""
    for limit in (binary_small_tau_limit, binary_large_tau_limit):
        wide = limit(0.3, 0.2, method=method, reward_low=-1.0, reward_high=1.0)
        narrow = limit(0.3, 0.1, method=method)
        assert wide.success_log_ratio == pytest.approx(narrow.success_log_ratio)
        assert wide.failure_log_ratio == pytest.approx(narrow.failure_log_ratio)
        assert wide.lam == pytest.approx(narrow.lam)
