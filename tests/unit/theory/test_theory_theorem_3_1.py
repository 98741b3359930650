"""Theorem 3.1: the minimiser of PMD-mean's population loss, and its Lambert-W form."""

import numpy as np
import pytest
from scipy.special import lambertw

from pmd_pipeline.theory import pmd_mean_bounds, solve_pmd_mean, solve_pmd_part

PROBLEMS = pytest.mark.parametrize(
    ("probs", "rewards", "tau"),
    [
        ([0.1, 0.9], [1.0, 0.0], 0.05),
        ([0.5, 0.3, 0.2], [0.0, 0.4, 1.0], 0.1),
        ([0.25, 0.25, 0.25, 0.25], [-1.0, 0.0, 1.0, 1.0], 2.0),
        ([0.7, 0.1, 0.1, 0.05, 0.05], [0.3, -2.0, 0.1, 4.0, 0.3], 0.5),
    ],
)


def regression_loss(log_ratios, probs, rewards, tau):
    """Return ``E_t[(log ratio - (r - mean) / tau) ** 2]``, for one policy or rows of them."""
    advantage = rewards - probs @ rewards
    return (probs * (log_ratios - advantage / tau) ** 2).sum(axis=-1)


def loss_gradient(log_ratios, probs, rewards, tau):
    """Return the gradient of half the loss in the logits of a softmax policy."""
    error = probs * (log_ratios - (rewards - probs @ rewards) / tau)
    return error - probs * np.exp(log_ratios) * error.sum()


def random_updates(generator, log_ratios, probs, size, count):
    """Return log-ratios of random policies around one, each summing to one."""
    moved = log_ratios + size * generator.normal(size=(count, len(probs)))
    return moved - np.log((probs * np.exp(moved)).sum(axis=-1, keepdims=True))


@PROBLEMS
def test_no_policy_near_or_far_has_a_lower_loss(probs, rewards, tau):
    """60,000 random policies, from 1e-4 to 10 nats away, all lose to the solution."""
    probs, rewards = np.array(probs), np.array(rewards)
    solution = solve_pmd_mean(probs, rewards, tau)
    best = regression_loss(solution.log_ratios, probs, rewards, tau)
    generator = np.random.default_rng(0)
    for size in (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0):
        others = random_updates(generator, solution.log_ratios, probs, size, 10_000)
        assert regression_loss(others, probs, rewards, tau).min() >= best * (1 - 1e-15)
    corners = generator.dirichlet(np.full(len(probs), 0.2), size=10_000) + 1e-12
    corners /= corners.sum(axis=-1, keepdims=True)
    assert regression_loss(np.log(corners / probs), probs, rewards, tau).min() > best


@PROBLEMS
def test_the_solution_is_the_only_stationary_policy(probs, rewards, tau):
    """The gradient vanishes there, and gradient descent from anywhere ends there."""
    probs, rewards = np.array(probs), np.array(rewards)
    solution = solve_pmd_mean(probs, rewards, tau)
    assert loss_gradient(solution.log_ratios, probs, rewards, tau) == pytest.approx(
        0.0, abs=1e-13 / tau
    )
    generator = np.random.default_rng(1)
    for start in random_updates(generator, np.zeros(len(probs)), probs, 2.0, 3):
        logits = start.copy()
        for _ in range(20_000):
            current = logits - np.log((probs * np.exp(logits)).sum())
            logits -= 0.3 * loss_gradient(current, probs, rewards, tau)
        assert current == pytest.approx(solution.log_ratios, abs=1e-6)


@PROBLEMS
def test_the_ratio_is_the_lambert_w_expression(probs, rewards, tau):
    """``ratio = exp(d - W(lam * exp(d)))`` with lam >= 0, and it sums to one."""
    probs, rewards = np.array(probs), np.array(rewards)
    solution = solve_pmd_mean(probs, rewards, tau)
    d = (rewards - probs @ rewards) / tau
    w = lambertw(solution.lam * np.exp(d)).real
    assert solution.lam > 0
    assert solution.log_ratios == pytest.approx(d - w, rel=1e-11)
    assert solution.probs.sum() == pytest.approx(1.0, abs=1e-14)


@PROBLEMS
def test_lambda_is_the_reverse_kl(probs, rewards, tau):
    """Averaging the stationarity condition gives ``lam = KL(old || new)``; the rest follows."""
    probs, rewards = np.array(probs), np.array(rewards)
    s = solve_pmd_mean(probs, rewards, tau)
    assert s.lam == pytest.approx(-(probs * s.log_ratios).sum(), rel=1e-12)
    assert s.reverse_kl == pytest.approx(s.lam, rel=1e-13)
    residual = regression_loss(s.log_ratios, probs, rewards, tau)
    assert residual == pytest.approx(s.lam**2 * (1 + s.chi2), rel=1e-12)
    gain = s.expected_reward - s.mean_reward
    assert gain == pytest.approx(tau * (s.kl + s.lam * (1 + s.chi2)), rel=1e-12)


def test_bounds_hold_on_random_problems():
    """Bounds of lambda and of the log-ratios, and the sharper one through chi-squared."""
    generator = np.random.default_rng(3)
    probs = generator.dirichlet(np.full(4, 0.5), size=5000) + 1e-9
    probs /= probs.sum(axis=-1, keepdims=True)
    rewards, tau = generator.normal(size=(5000, 4)), 10 ** generator.uniform(-3, 2, 5000)
    mean, part = solve_pmd_mean(probs, rewards, tau), solve_pmd_part(probs, rewards, tau)
    bounds = pmd_mean_bounds(probs, rewards, tau)
    slack = 1 + 1e-10
    assert (mean.lam >= bounds.lam_low / slack).all()
    assert (mean.lam <= bounds.lam_high * slack).all()
    log_mass = (part.log_partition - part.mean_reward) / tau
    assert (mean.lam * (1 + mean.chi2) <= log_mass * slack + 1e-10).all()
    smallest, largest = mean.log_ratios.min(axis=-1), mean.log_ratios.max(axis=-1)
    assert (smallest >= bounds.log_ratio_low - 1e-10).all()
    assert (largest <= bounds.log_ratio_high + 1e-10).all()
    # They bind: lambda comes within 1 % of either bound somewhere.
    assert (mean.lam / bounds.lam_high).max() > 0.99
    assert (bounds.lam_low / mean.lam).max() > 0.99


def test_bounds_of_a_problem_without_signal_are_zero():
    """Equal rewards: lambda lies between 0 and 0."""
    bounds = pmd_mean_bounds([0.5, 0.5], [1.0, 1.0], 0.1)
    assert (bounds.lam_low, bounds.lam_high) == (0.0, 0.0)


def test_above_the_log_partition_two_policies_can_be_local_minima():
    """Two actions with the targets -5 and -6: either may take the mass."""
    logit = np.linspace(-15.0, 15.0, 3001)
    first, second = np.log(2.0) - np.logaddexp(0.0, -logit), np.log(2.0) - np.logaddexp(0.0, logit)
    loss = 0.5 * (first + 5.0) ** 2 + 0.5 * (second + 6.0) ** 2
    is_lowest = (loss[1:-1] < loss[:-2]) & (loss[1:-1] < loss[2:])
    assert loss[1:-1][is_lowest] == pytest.approx([22.376, 16.199], abs=1e-3)
    with pytest.raises(ValueError, match="log-partition"):
        solve_pmd_mean([0.5, 0.5], [1.0, 0.0], 1.0, baseline=6.0)


def test_lambda_has_a_tighter_bound_once_chi2_is_known():
    """The bound of the page's text, and that the one without chi2 can be ten times as far."""
    generator = np.random.default_rng(0)
    looseness = []
    for _ in range(100):
        probs = generator.dirichlet(np.ones(4))
        rewards, tau = generator.normal(size=4), 10 ** generator.uniform(-2, 1)
        solution = solve_pmd_mean(probs, rewards, tau)
        scaled = (rewards - probs @ rewards) / tau
        log_mass = np.log(probs @ np.exp(scaled - scaled.max())) + scaled.max()
        tighter = min(log_mass / (1 + solution.chi2), scaled.max())
        assert solution.lam <= tighter * (1 + 1e-9)
        looseness.append(pmd_mean_bounds(probs, rewards, tau).lam_high / tighter)
    assert min(looseness) >= 1 - 1e-9
    assert max(looseness) > 5
