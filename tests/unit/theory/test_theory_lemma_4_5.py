"""Lemma 4.5 (reconstructed): the empirical minimiser, and how estimated targets move it."""

import numpy as np
import pytest

from pmd_pipeline.theory import solve_empirical_regression, solve_pmd_mean

PROBS = np.array([0.3, 0.25, 0.2, 0.15, 0.1])


def empirical_loss(log_ratios, counts, targets):
    seen = counts > 0
    return (counts[seen] * (log_ratios[..., seen] - targets[seen]) ** 2).sum(axis=-1)


def random_case(generator):
    probs = generator.dirichlet(np.ones(6))
    counts = np.append(generator.integers(1, 6, size=4), [0, 0])
    return probs, counts, 2.0 * generator.normal(size=6)


def test_no_policy_has_a_lower_empirical_loss():
    """Random policies over all actions lose to the minimiser, constraint active or not."""
    generator = np.random.default_rng(0)
    num_active = 0
    for _ in range(60):
        probs, counts, targets = random_case(generator)
        solution = solve_empirical_regression(probs, counts, targets)
        best = empirical_loss(solution.log_ratios, counts, targets)
        num_active += solution.lam > 0
        others = generator.dirichlet(np.ones(6), size=3000) + 1e-300
        new = probs * np.exp(solution.log_ratios)
        near = (new + 1e-12) * np.exp(0.01 * generator.normal(size=(3000, 6)))
        policies = np.concatenate([others, near / near.sum(axis=-1, keepdims=True)])
        assert empirical_loss(np.log(policies / probs), counts, targets).min() >= best - 1e-9
    assert 10 < num_active < 50  # both cases were met


def test_targets_are_reached_exactly_while_the_sampled_actions_leave_mass():
    """In a large action space the sampled responses interpolate; the others take the rest."""
    targets = np.array([-5.0, 0.5, 0.0, 9.0, 9.0])
    solution = solve_empirical_regression(PROBS, [3, 1, 0, 0, 0], targets)
    assert solution.lam == 0.0
    assert solution.log_ratios[:2].tolist() == [-5.0, 0.5]
    left = 1 - 0.3 * np.exp(-5.0) - 0.25 * np.exp(0.5)
    assert solution.unsampled_mass == pytest.approx(left, rel=1e-12)
    assert solution.log_ratios[2:] == pytest.approx(np.log(left / 0.45), rel=1e-12)


def test_with_exact_frequencies_it_is_the_population_solution():
    """Counts in proportion to the policy and mean-baseline targets give PMD-mean itself."""
    rewards, tau = np.array([0.0, 0.0, 0.5, 1.0, 1.0]), 0.1
    exact = solve_pmd_mean(PROBS, rewards, tau)
    targets = (rewards - PROBS @ rewards) / tau
    solution = solve_empirical_regression(PROBS, 20 * PROBS, targets)
    assert solution.log_ratios == pytest.approx(exact.log_ratios, rel=1e-10)
    assert solution.lam == pytest.approx(exact.lam, rel=1e-10)
    assert solution.unsampled_mass == 0.0


def test_unsampled_actions_lose_everything_when_the_constraint_is_active():
    """Targets that ask for more than all the mass leave nothing for the rest."""
    solution = solve_empirical_regression(PROBS, [1, 1, 0, 0, 0], [3.0, 3.0, 0.0, 0.0, 0.0])
    assert solution.lam > 0
    assert np.isneginf(solution.log_ratios[2:]).all()
    assert (PROBS * np.exp(solution.log_ratios)).sum() == pytest.approx(1.0, abs=1e-12)


def test_the_minimiser_moves_no_more_than_its_targets():
    """It is a projection on a convex set: its mean squared change is at most the targets'."""
    generator = np.random.default_rng(1)
    shares = []
    for _ in range(500):
        probs, counts, targets = random_case(generator)
        estimated = targets + 10 ** generator.uniform(-2, 0.5) * generator.normal(size=6)
        one = solve_empirical_regression(probs, counts, targets).log_ratios
        two = solve_empirical_regression(probs, counts, estimated).log_ratios
        change = empirical_loss(one, counts, two)
        shares.append(change / empirical_loss(targets, counts, estimated))
    assert max(shares) <= 1 + 1e-9
    assert max(shares) > 0.999  # it is attained while every target is reached
    assert min(shares) < 0.1  # and far from attained when the constraint holds it back


def test_what_all_actions_leave_over_belongs_to_nobody():
    """Targets of -1 for both of two actions: the sum is 1 / e, and no policy."""
    solution = solve_empirical_regression([0.5, 0.5], [1, 1], [-1.0, -1.0])
    assert 0.5 * np.exp(solution.log_ratios).sum() == pytest.approx(np.exp(-1.0), rel=1e-12)
    assert solution.unsampled_mass == pytest.approx(1 - np.exp(-1.0), rel=1e-12)
