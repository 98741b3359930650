"""Proposition 3.2: PMD-mean solves a mirror descent step with a mixed KL and chi-squared term."""

import numpy as np
import pytest
from scipy.optimize import minimize

from pmd_pipeline.theory import solve_pmd_mean, solve_pmd_part

PROBS, REWARDS = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.0, 0.3, 0.5, 1.0])
TAUS = pytest.mark.parametrize("tau", [0.02, 0.2, 2.0])


def mixed_objective(policy, tau, lam):
    """Return ``E r - tau KL - tau lam / 2 chi2`` of policies in the last axis."""
    kl = (policy * np.log(policy / PROBS)).sum(axis=-1)
    chi2 = ((policy - PROBS) ** 2 / PROBS).sum(axis=-1)
    return policy @ REWARDS - tau * kl - tau * lam / 2 * chi2


@TAUS
@pytest.mark.parametrize("solve", [solve_pmd_mean, solve_pmd_part])
def test_no_policy_has_a_higher_mixed_objective(solve, tau):
    """With lambda held at its value the update is the maximiser (PMD-part: with lambda 0)."""
    solution = solve(PROBS, REWARDS, tau)
    best = solution.mixed_objective
    assert best == pytest.approx(mixed_objective(solution.probs, tau, solution.lam), rel=1e-12)
    generator = np.random.default_rng(0)
    for concentration in (0.2, 1.0, 5.0):
        others = generator.dirichlet(np.full(4, concentration), size=20_000) + 1e-300
        assert mixed_objective(others, tau, solution.lam).max() <= best + 1e-14
    near = solution.probs * np.exp(1e-3 * generator.normal(size=(20_000, 4)))
    near /= near.sum(axis=-1, keepdims=True)
    assert mixed_objective(near, tau, solution.lam).max() <= best + 1e-14


@pytest.mark.parametrize("tau", [0.1, 0.5])
def test_maximising_the_mixed_objective_numerically_ends_at_the_update(tau):
    """A general-purpose optimiser that knows nothing of Lambert W finds the same policy."""
    solution = solve_pmd_mean(PROBS, REWARDS, tau)

    def loss(logits):
        policy = np.exp(logits - logits.max())
        return -mixed_objective(policy / policy.sum(), tau, solution.lam)

    found = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-9}).x
    policy = np.exp(found - found.max())
    assert policy / policy.sum() == pytest.approx(solution.probs, abs=1e-5)


@TAUS
def test_the_marginal_value_of_every_action_equals_the_mean_reward(tau):
    """Stationarity: ``r - tau s - tau lam x`` is the same for all actions, namely the mean."""
    solution = solve_pmd_mean(PROBS, REWARDS, tau)
    ratio = np.exp(solution.log_ratios)
    marginal = REWARDS - tau * solution.log_ratios - tau * solution.lam * ratio
    assert marginal == pytest.approx(PROBS @ REWARDS, abs=1e-13)


def test_the_chi_squared_term_makes_the_update_more_conservative():
    """PMD-mean moves less than PMD-part in KL both ways, in chi-squared and in its extremes."""
    generator = np.random.default_rng(1)
    probs = generator.dirichlet(np.ones(5), size=2000)
    rewards, tau = generator.normal(size=(2000, 5)), 10 ** generator.uniform(-2, 1, 2000)
    mean, part = solve_pmd_mean(probs, rewards, tau), solve_pmd_part(probs, rewards, tau)
    rounding = 1 + 1e-14  # at small tau both can end at the best action
    assert (mean.kl <= part.kl * rounding).all()
    assert (mean.chi2 <= part.chi2 * rounding).all()
    assert (mean.reverse_kl < part.reverse_kl).all()
    assert (np.ptp(mean.log_ratios, axis=-1) < np.ptp(part.log_ratios, axis=-1)).all()


def test_the_update_is_the_more_conservative_the_lower_the_mean_reward():
    """Binary rewards at small tau: wrong responses fall by a share p of what PMD-part takes."""
    shares = []
    for p in (0.05, 0.1, 0.3, 0.5, 0.9):
        mean, part = (
            solve([p, 1 - p], [1.0, 0.0], 0.02) for solve in (solve_pmd_mean, solve_pmd_part)
        )
        shares.append(mean.log_ratios[1] / part.log_ratios[1])
        assert shares[-1] == pytest.approx(p, rel=0.2)
    assert shares == sorted(shares)


@TAUS
def test_the_link_of_ratio_and_reward_is_the_logarithm_plus_lambda_times_the_ratio(tau):
    """Remark 3.3: log x + lambda x is the advantage in nats."""
    solution = solve_pmd_mean(PROBS, REWARDS, tau)
    link = solution.log_ratios + solution.lam * np.exp(solution.log_ratios)
    assert link == pytest.approx((REWARDS - PROBS @ REWARDS) / tau, rel=1e-11)
