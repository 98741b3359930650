"""Theorem 4.6 (reconstructed): an inexact update still improves, up to exp(B_+) times its error."""

import numpy as np
import pytest

from pmd_pipeline.theory import one_step_improvement, solve_pmd_mean, solve_pmd_part

SOLVERS = pytest.mark.parametrize("solve", [solve_pmd_mean, solve_pmd_part])


def inexact(generator, probs, exact, size):
    """Return log-ratios near an exact update's that still make a policy."""
    moved = exact.log_ratios + size * generator.normal(size=len(probs))
    return moved - np.log((probs * np.exp(moved)).sum())


@SOLVERS
def test_the_improvement_never_falls_below_the_guarantee(solve):
    """3,000 random problems and errors of all sizes."""
    generator = np.random.default_rng(0)
    used = []
    for _ in range(3000):
        num_actions = int(generator.integers(2, 7))
        probs, rewards = (
            generator.dirichlet(np.ones(num_actions)),
            generator.normal(size=num_actions),
        )
        exact = solve(probs, rewards, 10 ** generator.uniform(-2, 1))
        log_ratios = inexact(generator, probs, exact, 10 ** generator.uniform(-3, 0.5))
        bound = one_step_improvement(probs, rewards, exact, log_ratios)
        assert bound.actual >= bound.guaranteed - 1e-12
        used.append((bound.ideal - bound.actual) / (bound.ideal - bound.guaranteed))
    assert max(used) > 0.8  # the constant 1/2 could not be much smaller


@SOLVERS
def test_without_error_the_guarantee_is_the_ideal_improvement(solve):
    """The exact update as its own estimate."""
    probs, rewards = [0.5, 0.3, 0.2], [0.0, 0.4, 1.0]
    exact = solve(probs, rewards, 0.1)
    bound = one_step_improvement(probs, rewards, exact, exact.log_ratios)
    assert bound.squared_error == 0.0
    assert bound.guaranteed == bound.ideal == pytest.approx(bound.actual, rel=1e-13)
    assert bound.ideal == pytest.approx(exact.expected_reward - exact.mean_reward, rel=1e-12)
    assert bound.prefactor == pytest.approx(np.exp(exact.log_ratios.max()), rel=1e-12)


def test_the_ideal_improvement_is_tau_times_the_divergences():
    """PMD-mean: ``tau (KL + lam (1 + chi2))``; PMD-part: ``tau (KL + reverse KL)``."""
    generator = np.random.default_rng(1)
    probs = generator.dirichlet(np.ones(4), size=500)
    rewards, tau = generator.normal(size=(500, 4)), 10 ** generator.uniform(-2, 1, 500)
    mean, part = solve_pmd_mean(probs, rewards, tau), solve_pmd_part(probs, rewards, tau)
    assert mean.expected_reward - mean.mean_reward == pytest.approx(
        tau * (mean.kl + mean.lam * (1 + mean.chi2)), rel=1e-9
    )
    assert part.expected_reward - part.mean_reward == pytest.approx(
        tau * (part.kl + part.reverse_kl), rel=1e-9
    )
    assert (part.expected_reward >= mean.expected_reward - 1e-14).all()


def test_the_prefactor_of_pmd_mean_is_smaller_where_success_is_rare():
    """Its largest log-ratio grows more slowly: the same error costs less."""
    for p in (0.01, 0.05, 0.2):
        mean = solve_pmd_mean([p, 1 - p], [1.0, 0.0], 0.05)
        part = solve_pmd_part([p, 1 - p], [1.0, 0.0], 0.05)
        assert mean.log_ratios[0] < part.log_ratios[0] <= -np.log(p)
