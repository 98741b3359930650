"""The tabular laboratory: exact rounds, sampled rounds, and what they show."""

import numpy as np
import pytest

from pmd_pipeline.config.theory import LaboratoryConfig
from pmd_pipeline.theory import GradientSteps, run_laboratory, solve_pmd_mean, solve_pmd_part
from pmd_pipeline.theory.laboratory import LOG_PROB_FLOOR

PROBS, REWARDS = [0.1, 0.4, 0.5], [1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("method", "solve"), [("pmd_mean", solve_pmd_mean), ("pmd_part", solve_pmd_part)]
)
def test_exact_rounds_chain_the_population_solution(method, solve):
    """Each round is the exact update of the policy before it."""
    run = run_laboratory(PROBS, REWARDS, method=method, tau=0.3, num_rounds=3)
    policy = np.array(PROBS)
    assert run.expected_reward[0, 0] == pytest.approx(0.3)
    for t in range(3):
        update = solve(policy, REWARDS, 0.3)
        assert run.kl[t, 0] == pytest.approx(update.kl, rel=1e-9)
        assert run.chi2[t, 0] == pytest.approx(update.chi2, rel=1e-9)
        assert run.min_log_ratio[t, 0] == pytest.approx(update.log_ratios.min(), rel=1e-9)
        assert run.max_log_ratio[t, 0] == pytest.approx(update.log_ratios.max(), rel=1e-9)
        assert run.expected_reward[t + 1, 0] == pytest.approx(update.expected_reward, rel=1e-12)
        policy = update.probs / update.probs.sum()
    assert run.probs[0] == pytest.approx(policy, rel=1e-9)


@pytest.mark.parametrize("method", ["pmd_mean", "pmd_part"])
def test_sampled_rounds_tend_to_the_exact_one(method):
    """With a huge group and enough steps, gradient descent ends at the population solution."""
    exact = run_laboratory(PROBS, REWARDS, method=method, tau=0.5, num_rounds=1)
    sampled = run_laboratory(
        PROBS,
        REWARDS,
        method=method,
        tau=0.5,
        num_rounds=1,
        group_size=4_000_000,
        steps=GradientSteps(num_updates=1500),
    )
    assert sampled.probs[0] == pytest.approx(exact.probs[0], abs=2e-3)


def test_sampled_runs_are_reproducible_and_replicates_differ():
    """The seed decides everything; S replicates draw their own groups."""
    arguments = {"method": "pmd_mean", "tau": 0.3, "num_rounds": 4, "group_size": 8, "num_seeds": 5}
    one, two = (run_laboratory(PROBS, REWARDS, seed=1, **arguments) for _ in range(2))
    assert (one.expected_reward == two.expected_reward).all()
    assert one.expected_reward.shape == (5, 5)
    assert one.kl.shape == (4, 5)
    assert len(set(one.expected_reward[-1])) > 1
    other = run_laboratory(PROBS, REWARDS, seed=2, **arguments)
    assert (one.expected_reward != other.expected_reward).any()


def test_a_group_without_signal_leaves_the_policy_alone():
    """When every sampled reward is the same, no method moves."""
    for method in ("pmd_mean", "pmd_part", "group_standardised"):
        run = run_laboratory(
            [0.5, 0.5], [1.0, 1.0], method=method, tau=0.1, num_rounds=2, group_size=4
        )
        assert run.probs[0] == pytest.approx([0.5, 0.5], abs=1e-12)


def test_the_policy_gradient_stops_at_its_clip():
    """Enough small steps drive ratios just past 1 +- clip and no further; tau plays no part."""
    steps = GradientSteps(num_updates=4000, learning_rate=0.01, clip=0.2)
    runs = [
        run_laboratory(
            [0.3, 0.7], [1.0, 0.0], method="group_standardised", tau=tau, num_rounds=1, steps=steps
        )
        for tau in (0.01, 10.0)
    ]
    assert runs[0].probs.tolist() == runs[1].probs.tolist()
    ratio = runs[0].probs[0] / [0.3, 0.7]
    # Right rises by 7/3 of what wrong falls; both must have reached their clip.
    assert ratio[1] == pytest.approx(0.8, abs=0.01)
    assert ratio[0] > 1.2


def test_every_method_improves_in_expectation():
    """Exact rounds raise the expected reward, every round until the best action is reached."""
    for method in ("pmd_mean", "pmd_part", "group_standardised"):
        run = run_laboratory(PROBS, REWARDS, method=method, tau=0.5, num_rounds=5)
        assert (np.diff(run.expected_reward[:, 0]) > 0).all()


def test_small_groups_at_small_tau_break_pmd_part_and_not_pmd_mean():
    """The paper's point: in the median run PMD-part loses the right actions, PMD-mean does not."""
    final = {}
    for method in ("pmd_mean", "pmd_part"):
        run = run_laboratory(
            [0.05, 0.05, 0.1, 0.15, 0.2, 0.2, 0.25],
            [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            method=method,
            tau=0.05,
            num_rounds=8,
            group_size=16,
            num_seeds=60,
        )
        final[method] = np.median(run.expected_reward[-1])
    assert final["pmd_mean"] > 0.95
    assert final["pmd_part"] < 0.2


def test_many_rounds_at_small_tau_stay_finite_at_the_floor():
    """Probabilities stop at the named floor instead of underflowing to 0."""
    run = run_laboratory([0.5, 0.5], [1.0, 0.0], method="pmd_part", tau=0.01, num_rounds=20)
    assert np.log(run.probs[0, 1]) == pytest.approx(LOG_PROB_FLOOR, rel=1e-9)
    assert run.expected_reward[-1, 0] == 1.0
    assert np.isfinite(run.kl).all()


@pytest.mark.parametrize(
    ("learning_rate", "num_updates", "group_size", "low", "high"),
    [
        (1.0, 64, 16, 0.7, 0.95),
        (8.0, 64, 16, 0.0, 0.02),
        (1.0, 512, 16, 0.0, 0.02),
        (1.0, 64, 64, 0.8, 1.0),
    ],
)
def test_pmd_part_loses_the_right_actions_where_rounds_end_early(
    learning_rate, num_updates, group_size, low, high
):
    """Larger or more steps save them, larger groups do not; PMD-mean keeps them throughout."""
    config = LaboratoryConfig()
    lost = {}
    for method in ("pmd_part", "pmd_mean"):
        run = run_laboratory(
            config.probs,
            config.rewards,
            method=method,
            tau=config.tau,
            num_rounds=config.num_rounds,
            group_size=group_size,
            num_seeds=100,
            steps=GradientSteps(num_updates=num_updates, learning_rate=learning_rate),
        )
        lost[method] = np.mean(run.expected_reward[-1] < 0.01)
    assert low <= lost["pmd_part"] <= high
    assert lost["pmd_mean"] == 0.0
