"""Bad input is refused with the value found and a remedy."""

import numpy as np
import pytest

from pmd_pipeline.theory import (
    GradientSteps,
    baseline_moments,
    compare_round,
    one_step_improvement,
    pmd_mean_bounds,
    predict_update,
    run_laboratory,
    simulate_target_error,
    solve_binary,
    solve_empirical_regression,
    solve_pmd_mean,
    solve_pmd_part,
    summarise_groups,
)

SOLVERS = pytest.mark.parametrize("solve", [solve_pmd_mean, solve_pmd_part, pmd_mean_bounds])


@SOLVERS
@pytest.mark.parametrize(
    ("probs", "rewards", "tau", "message"),
    [
        ([0.5, 0.4], [1.0, 0.0], 1.0, "sum to one; found 0.9"),
        ([[0.5, 0.5], [0.9, 0.2]], [[1.0, 0.0], [1.0, 0.0]], 1.0, "1.1 in row 1"),
        ([1.0, 0.0], [1.0, 0.0], 1.0, "must be positive; found 0.0"),
        ([1.5, -0.5], [1.0, 0.0], 1.0, "must be positive; found -0.5"),
        ([0.5, 0.5], [1.0, 0.0], 0.0, "tau must be positive; found 0.0"),
        ([0.5, 0.5], [1.0, 0.0], -1.0, "tau must be positive; found -1.0"),
        ([0.5, 0.5], [1.0, 0.0, 2.0], 1.0, r"\(2,\) and \(3,\)"),
        ([0.5, 0.5], [[1.0, 0.0]], 1.0, r"\(2,\) and \(1, 2\)"),
        ([[[1.0]]], [[[1.0]]], 1.0, "must both be"),
        ([0.5, 0.5], [1.0, np.nan], 1.0, "rewards must be finite; found nan"),
        ([0.5, np.nan], [1.0, 0.0], 1.0, "probs must be finite; found nan"),
        ([0.5, 0.5], [np.inf, 0.0], 1.0, "rewards must be finite; found inf"),
        ([0.5, 0.5], [1.0, 0.0], np.nan, "tau must be finite; found nan"),
        ([0.5, 0.5], [1.0, 0.0], [1.0, 2.0], "tau must be one number"),
        ([], [], 1.0, "probs is empty"),
        (["a", "b"], [1.0, 0.0], 1.0, "probs must be numbers"),
        ([[0.5, 0.5], [1.0]], [[1.0, 0.0], [1.0]], 1.0, "rectangular"),
    ],
)
def test_malformed_problems_are_refused(solve, probs, rewards, tau, message):
    """Shapes, sums, signs and non-finite numbers."""
    with pytest.raises(ValueError, match=message):
        solve(probs, rewards, tau)


def test_a_baseline_above_the_log_partition_is_refused():
    """There lambda would be negative and the minimiser not unique."""
    limit = solve_pmd_part([0.5, 0.5], [1.0, 0.0], 0.5).log_partition
    solve_pmd_mean([0.5, 0.5], [1.0, 0.0], 0.5, baseline=limit)
    with pytest.raises(ValueError, match="must not exceed the log-partition"):
        solve_pmd_mean([0.5, 0.5], [1.0, 0.0], 0.5, baseline=limit + 1e-6)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, 1.1])
def test_success_probabilities_at_the_ends_are_refused(p):
    """Without both outcomes there is nothing to update."""
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        solve_binary(p, 0.1, method="pmd_mean")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: solve_binary(0.5, 0.1, method="pmd_part", baseline=0.2), "baseline belongs"),
        (
            lambda: solve_binary(0.5, 0.1, method="pmd_mean", reward_low=1.0, reward_high=1.0),
            "reward_high must exceed",
        ),
        (lambda: solve_binary([0.5, 0.4], [0.1, 0.2, 0.3], method="pmd_mean"), "must broadcast"),
        (lambda: baseline_moments(0.5, 1, 0.1, "mean"), "group_size must be at least 2; found 1"),
        (lambda: baseline_moments(0.5, 4, 0.1, "median"), "unknown baseline 'median'"),
        (
            lambda: simulate_target_error(0.5, 4, 0.1, "mean", num_seeds=0, seed=0),
            "num_seeds must be at least 1",
        ),
        (lambda: solve_empirical_regression([0.5, 0.5], [0, 0], [1.0, 1.0]), "not all zero"),
        (lambda: solve_empirical_regression([0.5, 0.5], [1, -1], [1.0, 1.0]), "non-negative"),
        (lambda: solve_empirical_regression([0.5, 0.5], [1, 1], [1.0]), r"must all be \[K\]"),
        (
            lambda: one_step_improvement(
                [0.5, 0.5], [1.0, 0.0], solve_pmd_part([0.5, 0.5], [1.0, 0.0], 1.0), [0.1, 0.1]
            ),
            "must sum to one",
        ),
        (
            lambda: one_step_improvement(
                [0.5, 0.5], [1.0, 0.0], solve_pmd_part([0.5, 0.5], [1.0, 0.0], 1.0), [0.0]
            ),
            "shape",
        ),
        (
            lambda: run_laboratory([0.5, 0.5], [1.0, 0.0], method="dpo", tau=1.0, num_rounds=1),
            "unknown method 'dpo'",
        ),
        (
            lambda: run_laboratory(
                [0.5, 0.5], [1.0, 0.0], method="pmd_mean", tau=1.0, num_rounds=1, group_size=1
            ),
            "group_size at least 2",
        ),
        (
            lambda: run_laboratory(
                [[0.5, 0.5]], [[1.0, 0.0]], method="pmd_mean", tau=1.0, num_rounds=1
            ),
            "must be one policy",
        ),
        (lambda: GradientSteps(num_updates=0), "num_updates must be at least 1"),
        (lambda: predict_update(0.5, 0.1, method="grpo"), "unknown method 'grpo'"),
        (lambda: predict_update(0.5, 0.1, method="pmd_part", group_size=1), "group_size"),
        (
            lambda: compare_round([0.5], [0.1, 0.2], [0.1], tau=0.1, method="pmd_mean"),
            r"must all be \[G\]",
        ),
        (
            lambda: compare_round([1.5], [0.1], [0.1], tau=0.1, method="pmd_mean"),
            r"pass_rate must lie in \[0, 1\]",
        ),
        (
            lambda: compare_round([0.5], [0.1], [0.1], tau=0.0, method="pmd_mean"),
            "tau must be positive",
        ),
        (lambda: summarise_groups([0, 0], [True], [0.1, 0.2]), r"must all be \[B\]"),
        (lambda: summarise_groups([], [], []), r"must all be \[B\]"),
    ],
)
def test_other_functions_refuse_bad_input_too(call, message):
    """Every public function names what was wrong."""
    with pytest.raises(ValueError, match=message):
        call()
