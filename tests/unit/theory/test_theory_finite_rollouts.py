"""Errors of estimated baselines: closed forms, enumeration, simulation."""

from itertools import product

import numpy as np
import pytest

from pmd_pipeline.theory import baseline_moments, simulate_target_error, solve_binary
from pmd_pipeline.theory.finite_rollouts import METHOD_OF_BASELINE, baseline_by_successes

BASELINES = pytest.mark.parametrize("baseline", list(METHOD_OF_BASELINE))


def test_mean_baselines_have_their_textbook_moments():
    """Plain mean: bias (1 - p) / n and -p / n, error p (1 - p) / n; leave-one-out: unbiased."""
    p, n = np.array([0.05, 0.3, 0.8]), 8
    plain = baseline_moments(p, n, 0.1, "mean")
    assert plain.bias_given_success == pytest.approx((1 - p) / n)
    assert plain.bias_given_failure == pytest.approx(-p / n)
    assert plain.variance_given_success == pytest.approx(p * (1 - p) * (n - 1) / n**2)
    assert plain.squared_error == pytest.approx(p * (1 - p) / n)
    left_out = baseline_moments(p, n, 0.1, "leave_one_out_mean")
    assert left_out.bias_given_success == pytest.approx(0.0, abs=1e-15)
    assert left_out.bias_given_failure == pytest.approx(0.0, abs=1e-15)
    assert left_out.squared_error == pytest.approx(p * (1 - p) / (n - 1))
    assert left_out.squared_log_ratio_error == pytest.approx(p * (1 - p) / (n - 1) / 0.01)


@BASELINES
def test_moments_equal_an_enumeration_of_all_groups(baseline):
    """All 2^4 groups of four with rewards -1 and 1, baselines written out naively."""
    p, n, tau = 0.3, 4, 0.7
    method = METHOD_OF_BASELINE[baseline]
    exact = solve_binary(p, tau, method=method, reward_low=-1.0, reward_high=1.0)
    target = 2 * p - 1 if method == "pmd_mean" else exact.log_partition
    error = 0.0
    for group in product([-1.0, 1.0], repeat=n):
        weight = np.prod([p if r > 0 else 1 - p for r in group])
        for i in range(n):
            others = np.array(group[:i] + group[i + 1 :])
            kept = others if baseline.startswith("leave_one_out") else np.array(group)
            if method == "pmd_mean":
                value = kept.mean()
            else:
                value = tau * np.log(np.mean(np.exp(kept / tau)))
            error += weight / n * (value - target) ** 2
    moments = baseline_moments(p, n, tau, baseline, reward_low=-1.0, reward_high=1.0)
    assert moments.squared_error == pytest.approx(error, rel=1e-12)
    assert moments.squared_log_ratio_error == pytest.approx(error / tau**2, rel=1e-12)


@BASELINES
def test_simulated_errors_average_to_the_exact_ones(baseline):
    """Within four standard errors at every p, and reproducible from the seed."""
    p = np.array([0.02, 0.1, 0.5])
    simulated = simulate_target_error(p, 8, 0.2, baseline, num_seeds=40_000, seed=3)
    assert simulated.shape == (40_000, 3)
    exact = baseline_moments(p, 8, 0.2, baseline).squared_log_ratio_error
    standard_error = simulated.std(axis=0) / 200
    assert (np.abs(simulated.mean(axis=0) - exact) < 4 * standard_error).all()
    again = simulate_target_error(p, 8, 0.2, baseline, num_seeds=40_000, seed=3)
    assert (again == simulated).all()


def test_the_scaled_error_carries_exp_of_the_largest_log_ratio():
    """The prefactor is the ratio of right responses: at small tau nearly 1 / p for PMD-part."""
    p = np.array([0.01, 0.1])
    for baseline, method in METHOD_OF_BASELINE.items():
        moments = baseline_moments(p, 16, 0.05, baseline)
        ratio = np.exp(solve_binary(p, 0.05, method=method).success_log_ratio)
        assert moments.prefactor == pytest.approx(ratio, rel=1e-13)
        assert moments.scaled_error == pytest.approx(ratio * moments.squared_log_ratio_error)
    assert moments.prefactor == pytest.approx(1 / p, rel=1e-6)


def test_rare_success_hurts_the_log_partition_far_more():
    """Figure 3's message: at p = 0.01 and n = 16 its error is over 700 times that of the mean."""
    mean = baseline_moments(0.01, 16, 0.05, "leave_one_out_mean")
    part = baseline_moments(0.01, 16, 0.05, "leave_one_out_log_partition")
    assert part.squared_log_ratio_error > 700 * mean.squared_log_ratio_error
    assert part.scaled_error > 2000 * mean.scaled_error


def test_leaving_one_out_of_a_lone_success_gives_it_the_whole_advantage():
    """One right of 16 at tau 0.01: the others' log-partition is exactly 0, with no clamp."""
    failure, success = baseline_by_successes(16, 0.01, "leave_one_out_log_partition")
    assert success[1] == 0.0
    assert failure[1] == pytest.approx(1 + 0.01 * np.log(1 / 15), rel=1e-12)
    assert np.isnan(success[0])
    assert np.isnan(failure[16])


def test_plain_mean_advantages_are_a_fixed_part_of_leave_one_out_ones():
    """(n - 1) / n of them in every group, not on average alone."""
    for n in (2, 5, 16):
        plain = baseline_by_successes(n, 0.1, "mean")
        other = baseline_by_successes(n, 0.1, "leave_one_out_mean")
        for reward, of_plain, of_other in zip((0.0, 1.0), plain, other, strict=True):
            assert reward - of_plain == pytest.approx(
                (reward - of_other) * (n - 1) / n, abs=1e-15, nan_ok=True
            )


def test_with_many_rollouts_the_log_partition_is_known_better_than_the_mean():
    """The crossing in Figure 3, at tau 0.05 and a success probability of 0.2."""
    errors = {
        (n, baseline): float(baseline_moments(0.2, n, 0.05, baseline).squared_log_ratio_error)
        for n in (16, 32, 64)
        for baseline in ("leave_one_out_mean", "leave_one_out_log_partition")
    }
    found = [round(error, 3) for error in errors.values()]
    assert found == [4.267, 12.174, 2.065, 0.508, 1.016, 0.074]
