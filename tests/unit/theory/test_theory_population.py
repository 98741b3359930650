"""Batches, degenerate problems and warnings of the population solvers."""

import numpy as np
import pytest

from pmd_pipeline.theory import solve_pmd_mean, solve_pmd_part


def test_a_batch_gives_each_problem_its_own_solution():
    """Row g of a batch equals the solution of problem g alone; numbers become [G]."""
    generator = np.random.default_rng(0)
    probs = generator.dirichlet(np.ones(4), size=6)
    rewards, tau = generator.normal(size=(6, 4)), 10 ** generator.uniform(-3, 2, 6)
    for solve in (solve_pmd_mean, solve_pmd_part):
        batch = solve(probs, rewards, tau)
        assert batch.log_ratios.shape == (6, 4)
        assert batch.lam.shape == (6,)
        for g in range(6):
            alone = solve(probs[g], rewards[g], tau[g])
            assert batch.log_ratios[g] == pytest.approx(alone.log_ratios, rel=1e-13)
            assert batch.lam[g] == pytest.approx(alone.lam, rel=1e-13)
            assert batch.kl[g] == pytest.approx(alone.kl, rel=1e-13)


def test_one_problem_gives_plain_numbers():
    """Without a batch the scalars are floats and the vectors [K]."""
    solution = solve_pmd_mean([0.1, 0.9], [1.0, 0.0], 0.05)
    assert isinstance(solution.lam, float)
    assert solution.probs.shape == (2,)
    # Anchor of the formula sheet, 11 digits.
    assert solution.lam == pytest.approx(1.7562267383, rel=1e-10)
    assert solution.log_ratios == pytest.approx([2.1970302710, -2.1954775171], rel=1e-10)


def test_equal_rewards_leave_the_policy_alone_even_within_a_batch():
    """A row without a signal has lambda 0 and log-ratios 0; its neighbours are solved."""
    solution = solve_pmd_mean([[0.2, 0.8], [0.2, 0.8]], [[3.0, 3.0], [1.0, 0.0]], 0.1)
    assert solution.lam[0] == 0.0
    assert solution.log_ratios[0].tolist() == [0.0, 0.0]
    assert solution.mixed_objective[0] == 3.0
    assert solution.lam[1] > 0.5


def test_a_single_action_stays():
    """With one action there is nothing to choose."""
    for solve in (solve_pmd_mean, solve_pmd_part):
        solution = solve([1.0], [5.0], 0.1)
        assert solution.probs.tolist() == [1.0]
        assert solution.log_partition == 5.0


def test_the_log_partition_as_baseline_gives_pmd_part():
    """At the largest allowed baseline lambda is 0 and both methods agree."""
    probs, rewards = [0.5, 0.3, 0.2], [0.0, 0.4, 1.0]
    for tau in (0.01, 0.3, 10.0):
        part = solve_pmd_part(probs, rewards, tau)
        mean = solve_pmd_mean(probs, rewards, tau, baseline=part.log_partition)
        assert mean.lam == pytest.approx(0.0, abs=1e-12)
        assert mean.log_ratios == pytest.approx(part.log_ratios, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("share", [-1e3, 0.5, 1 - 1e-6, 1 - 1e-9, 1 - 1e-12, 1.0])
def test_baselines_ever_closer_to_the_log_partition_stay_solvable(share):
    """Where lambda drowns in rounding the update still sums to one and tends to PMD-part's."""
    generator = np.random.default_rng(3)
    probs = generator.dirichlet(np.full(4, 0.2), size=5000) + 1e-12
    probs /= probs.sum(axis=-1, keepdims=True)
    rewards, tau = generator.normal(size=(5000, 4)), 10 ** generator.uniform(-4, 4, 5000)
    part = solve_pmd_part(probs, rewards, tau)
    baseline = part.mean_reward + share * (part.log_partition - part.mean_reward)
    mean = solve_pmd_mean(probs, rewards, tau, baseline=np.minimum(baseline, part.log_partition))
    assert mean.probs.sum(axis=-1) == pytest.approx(1.0, abs=1e-13)
    assert (mean.lam >= 0).all()
    if share > 1 - 1e-8:
        assert np.abs(mean.probs - part.probs).max() < 1e-4


def test_equal_rewards_with_a_low_baseline_put_all_of_it_into_lambda():
    """Nothing can move, so that lambda is the whole scaled gap."""
    solution = solve_pmd_mean([0.5, 0.5], [1.0, 1.0], 0.25, baseline=0.5)
    assert solution.lam == 2.0
    assert solution.log_ratios.tolist() == [0.0, 0.0]


@pytest.mark.filterwarnings("error")
def test_extreme_inputs_neither_overflow_nor_warn():
    """Scaled rewards beyond 1e4 and probabilities of 1e-300 raise no floating point flag."""
    generator = np.random.default_rng(1)
    probs = generator.dirichlet(np.full(3, 0.05), size=3000) + 1e-300
    probs /= probs.sum(axis=-1, keepdims=True)
    rewards, tau = generator.standard_cauchy((3000, 3)), 10 ** generator.uniform(-5, 5, 3000)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for solve in (solve_pmd_mean, solve_pmd_part):
            solution = solve(probs, rewards, tau)
            assert solution.probs.sum(axis=-1) == pytest.approx(1.0, abs=1e-12)
            for field in ("lam", "kl", "reverse_kl", "chi2", "mixed_objective"):
                assert np.isfinite(getattr(solution, field)).all()
