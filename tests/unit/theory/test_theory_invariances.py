"""Transformations of a problem that must not change its solution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmd_pipeline.theory import solve_pmd_mean, solve_pmd_part

WEIGHTS = st.floats(0.01, 1.0)
# Multiples of 1/8, so that adding another multiple is exact in floating point.
REWARDS = st.integers(-16, 16).map(lambda k: k / 8)
TAUS = st.floats(0.01, 10.0)
SOLVERS = pytest.mark.parametrize("solve", [solve_pmd_mean, solve_pmd_part])
CLOSE = {"rel": 1e-10, "abs": 1e-12}


@st.composite
def problems(draw):
    num_actions = draw(st.integers(2, 5))
    weights = np.array(draw(st.lists(WEIGHTS, min_size=num_actions, max_size=num_actions)))
    rewards = np.array(draw(st.lists(REWARDS, min_size=num_actions, max_size=num_actions)))
    return weights / weights.sum(), rewards, draw(TAUS)


@SOLVERS
@given(problem=problems(), shift=REWARDS)
@settings(max_examples=60, deadline=None)
def test_adding_a_constant_to_all_rewards_changes_nothing(solve, problem, shift):
    """Log-ratios and lambda stay; the log-partition moves by the constant."""
    probs, rewards, tau = problem
    before, after = solve(probs, rewards, tau), solve(probs, rewards + shift, tau)
    assert after.log_ratios == pytest.approx(before.log_ratios, **CLOSE)
    assert after.lam == pytest.approx(before.lam, **CLOSE)
    assert after.log_partition == pytest.approx(before.log_partition + shift, **CLOSE)


@SOLVERS
@given(problem=problems(), scale=st.floats(0.1, 10.0))
@settings(max_examples=60, deadline=None)
def test_scaling_rewards_and_tau_together_changes_nothing(solve, problem, scale):
    """Only rewards over tau matter; the objective scales with them."""
    probs, rewards, tau = problem
    before, after = solve(probs, rewards, tau), solve(probs, scale * rewards, scale * tau)
    assert after.log_ratios == pytest.approx(before.log_ratios, **CLOSE)
    assert after.lam == pytest.approx(before.lam, **CLOSE)
    assert after.mixed_objective == pytest.approx(scale * before.mixed_objective, **CLOSE)


@SOLVERS
@given(problem=problems(), share=st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_splitting_an_action_changes_no_ratio(solve, problem, share):
    """Two actions with the same reward get the ratio that the one had; divergences stay."""
    probs, rewards, tau = problem
    split_probs = np.concatenate([[share * probs[0], (1 - share) * probs[0]], probs[1:]])
    before = solve(probs, rewards, tau)
    after = solve(split_probs, np.concatenate([rewards[:1], rewards]), tau)
    expected = np.concatenate([before.log_ratios[:1], before.log_ratios])
    assert after.log_ratios == pytest.approx(expected, **CLOSE)
    assert after.lam == pytest.approx(before.lam, **CLOSE)
    assert after.kl == pytest.approx(before.kl, **CLOSE)
    assert after.chi2 == pytest.approx(before.chi2, **CLOSE)


@SOLVERS
@given(problem=problems())
@settings(max_examples=60, deadline=None)
def test_the_order_of_actions_does_not_matter(solve, problem):
    """Reversing the actions reverses the log-ratios."""
    probs, rewards, tau = problem
    before, after = solve(probs, rewards, tau), solve(probs[::-1], rewards[::-1], tau)
    assert after.log_ratios[::-1] == pytest.approx(before.log_ratios, **CLOSE)
