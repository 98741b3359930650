"""Theory in the loop: predictions, progress, lambda, bounds, and a difference that shows."""

import numpy as np
import pytest

from pmd_pipeline.theory import (
    ComparedRound,
    baseline_moments,
    compare_round,
    loop_group_table,
    loop_round_table,
    predict_update,
    solve_binary,
    solve_pmd_mean,
    summarise_groups,
)

RATES = np.array([0.125, 0.25, 0.5, 0.75, 0.875])
METHODS = pytest.mark.parametrize(("method", "tau"), [("pmd_mean", 0.5), ("pmd_part", 0.5)])


def measured(share, method="pmd_mean", tau=0.5):
    """Return the log-ratios of groups that went a share of the way to the fixed point."""
    exact = solve_binary(RATES, tau, method=method, reward_low=-1.0)
    return share * exact.success_log_ratio, share * exact.failure_log_ratio


def test_groups_are_summarised_by_outcome():
    """Pass rates count every rollout; means only the measured ones of each outcome."""
    groups = summarise_groups(
        [7, 3, 7, 7, 3, 3],
        [True, False, False, True, False, False],
        [0.4, -1.0, -2.0, 0.2, np.nan, -3.0],
    )
    assert groups.group_id.tolist() == [3, 7]
    assert groups.pass_rate == pytest.approx([0.0, 2 / 3])
    assert groups.group_size.tolist() == [3, 3]
    assert groups.measured_failure == pytest.approx([-2.0, -2.0])
    assert groups.measured_success[1] == pytest.approx(0.3)
    assert np.isnan(groups.measured_success[0])


@METHODS
def test_a_round_that_reached_its_fixed_point_has_slope_one(method, tau):
    """Then lambda and the divergences agree with the prediction too."""
    up, down = measured(1.0, method, tau)
    result = compare_round(RATES, up, down, tau=tau, method=method, reward_low=-1.0)
    assert result.slope == pytest.approx(1.0)
    assert result.implied_lam == pytest.approx(result.predicted_lam, abs=1e-12)
    assert result.measured_kl == pytest.approx(result.predicted_kl, rel=1e-12)
    assert result.measured_chi2 == pytest.approx(result.predicted_chi2, rel=1e-12)
    assert result.past_fixed_point_fraction == 0.0
    assert result.past_bound_fraction == 0.0
    exact = solve_binary(RATES, tau, method=method, reward_low=-1.0)
    assert result.groups.implied_lam == pytest.approx(exact.lam, abs=1e-12)


@METHODS
@pytest.mark.parametrize("share", [0.0, 0.3, -0.2])
def test_the_slope_is_the_share_of_the_way(method, tau, share):
    """Below 1 the update stopped early, below 0 it went the wrong way."""
    up, down = measured(share, method, tau)
    result = compare_round(RATES, up, down, tau=tau, method=method, reward_low=-1.0)
    assert result.slope == pytest.approx(share, abs=1e-15)
    assert result.slope_success == pytest.approx(share, abs=1e-15)
    assert result.slope_failure == pytest.approx(share, abs=1e-15)
    if share > 0:
        assert result.implied_lam > result.predicted_lam
        assert result.measured_kl < result.predicted_kl
    if share == 0.0:
        assert np.isnan(result.implied_lam)
        assert result.measured_chi2 == 0.0


def test_overshooting_is_counted_apart_from_passing_the_bound():
    """5 % past the fixed point is an overshoot; only far more passes what any update could do."""
    up, down = measured(1.05)
    result = compare_round(RATES, up, down, tau=0.5, method="pmd_mean", reward_low=-1.0)
    assert result.past_fixed_point_fraction == 1.0
    assert result.past_bound_fraction == pytest.approx(0.4)  # the two groups nearest to p = 1
    far = compare_round(RATES, 3 * up, 3 * down, tau=0.5, method="pmd_mean", reward_low=-1.0)
    assert far.past_bound_fraction == 1.0


def test_the_bound_is_minus_log_p_for_right_rollouts():
    """No policy raises right responses of probability p by more than -log p on average."""
    limit = -np.log(RATES)
    below = compare_round(RATES, limit - 1e-9, 0 * RATES, tau=1.0, method="pmd_mean")
    above = compare_round(RATES, limit + 1e-9, 0 * RATES, tau=1.0, method="pmd_mean")
    assert below.past_bound_fraction == 0.0
    assert above.past_bound_fraction == 1.0


def test_groups_without_both_outcomes_are_left_out():
    """All right, all wrong, not measured: no prediction; the share that is left is reported."""
    rates = np.array([0.0, 1.0, 0.5, 0.5, np.nan])
    up, down = np.array([np.nan, 0.1, 0.3, np.nan, 0.1]), np.array([-0.1, np.nan, -0.2, -1.0, 0.0])
    result = compare_round(rates, up, down, tau=0.5, method="pmd_mean")
    assert result.groups.group.tolist() == [2]
    assert result.informative_fraction == pytest.approx(0.2)


def test_a_round_without_informative_groups_has_no_numbers_but_does_not_fail():
    """NaN for every metric except the share of informative groups, which is 0."""
    result = compare_round([0.0, 1.0], [np.nan, 0.1], [0.1, np.nan], tau=0.5, method="pmd_part")
    metrics = result.metrics()
    assert metrics.pop("informative_fraction") == 0.0
    assert all(np.isnan(value) for value in metrics.values())
    assert len(result.groups.pass_rate) == 0


def test_a_group_size_changes_what_pmd_part_aims_at():
    """The leave-one-out log-partition is too low on average: its fixed point is a milder one."""
    population = predict_update(RATES, 0.05, method="pmd_part")
    small = predict_update(RATES, 0.05, method="pmd_part", group_size=8)
    assert (small.failure_log_ratio > population.failure_log_ratio).all()
    assert (small.lam > 0).all()
    huge = predict_update(RATES, 0.05, method="pmd_part", group_size=5000)
    assert huge.failure_log_ratio == pytest.approx(population.failure_log_ratio, rel=1e-3)


def test_with_two_rollouts_pmd_part_aims_at_what_pmd_mean_does():
    """The log-partition of one other rollout is its reward, whose expectation is the mean."""
    pair = predict_update(RATES, 0.2, method="pmd_part", group_size=2)
    mean = predict_update(RATES, 0.2, method="pmd_mean")
    assert pair.success_log_ratio == pytest.approx(mean.success_log_ratio, rel=1e-10)
    assert pair.lam == pytest.approx(mean.lam, rel=1e-10)


def test_the_plain_mean_acts_like_a_larger_tau():
    """Its advantages are (n - 1) / n of the leave-one-out ones."""
    plain = predict_update(RATES, 0.2, method="pmd_mean", group_size=4, leave_one_out=False)
    larger = solve_binary(RATES, 0.2 * 4 / 3, method="pmd_mean")
    assert plain.success_log_ratio == pytest.approx(larger.success_log_ratio)
    unbiased = predict_update(RATES, 0.2, method="pmd_mean", group_size=4)
    assert unbiased.lam == pytest.approx(solve_binary(RATES, 0.2, method="pmd_mean").lam)
    population = predict_update(RATES, 0.2, method="pmd_part", group_size=4, leave_one_out=False)
    assert population.lam == pytest.approx(0.0)


def test_the_finite_group_prediction_minimises_the_expected_loss():
    """Averaged over groups of three, the squared error to the estimated targets is lowest there."""
    p, tau, n = 0.3, 0.4, 3
    aim = predict_update(p, tau, method="pmd_part", group_size=n)
    moments = baseline_moments(p, n, tau, "leave_one_out_log_partition")

    def expected_loss(new_p):
        up, down = np.log(new_p / p), np.log((1 - new_p) / (1 - p))
        right = (up - (1 - moments.mean_given_success) / tau) ** 2
        wrong = (down + moments.mean_given_failure / tau) ** 2
        return p * right + (1 - p) * wrong  # the baselines' variance adds a constant

    grid = np.linspace(0.01, 0.99, 9801)
    assert grid[expected_loss(grid).argmin()] == pytest.approx(
        aim.new_success_probability, abs=1e-4
    )
    assert solve_pmd_mean(
        [p, 1 - p], [1.0, 0.0], tau, baseline=float(moments.mean_given_success)
    ).lam == pytest.approx(aim.lam)


def test_the_same_movement_reads_differently_for_the_two_methods():
    """A round that moves wrong rollouts by a few nats: near PMD-mean's fixed point at the default
    tau, a small part of the way to PMD-part's at a small one."""
    generator = np.random.default_rng(0)
    up, down = measured(0.8)
    up, down = up + 0.05 * generator.normal(size=5), down + 0.05 * generator.normal(size=5)
    mean = compare_round(RATES, up, down, tau=0.5, method="pmd_mean", reward_low=-1.0)
    part = compare_round(RATES, up, down, tau=0.05, method="pmd_part", reward_low=-1.0)
    assert mean.slope == pytest.approx(0.8, abs=0.05)
    assert part.slope < 0.1
    assert part.implied_lam > 10 * mean.implied_lam
    assert part.predicted_kl > 1.2 * mean.predicted_kl


def test_tables_have_a_row_per_group_and_outcome_and_a_row_per_round():
    """Tidy tables with the algorithm's label, and the round's metrics under their names."""
    rounds = []
    for number, share in ((1, 0.2), (2, 0.5)):
        comparison = compare_round(
            RATES, *measured(share), tau=0.5, method="pmd_mean", reward_low=-1.0
        )
        rounds.append(
            ComparedRound(algorithm="mine", method="pmd_mean", round=number, comparison=comparison)
        )
    groups, numbers = loop_group_table(rounds), loop_round_table(rounds)
    assert len(groups) == 2 * 2 * 5
    assert set(groups["response"]) == {"right", "wrong"}
    second = groups[(groups["round"] == 2) & (groups["response"] == "wrong")]
    assert second["measured_log_ratio"].to_numpy() == pytest.approx(
        0.5 * second["predicted_log_ratio"].to_numpy()
    )
    assert numbers["slope"].tolist() == pytest.approx([0.2, 0.5])
    assert set(rounds[0].comparison.metrics()) <= set(numbers.columns)
    assert loop_group_table([]).empty
    assert loop_round_table([]).empty


def test_the_plain_log_partition_of_few_rollouts_does_not_reach_its_prediction():
    """The minimiser of the expected loss has a negative lambda and falls half as far."""
    moments = baseline_moments(0.1, 8, 0.05, "log_partition", reward_low=-1.0, reward_high=1.0)
    up, down = (1 - moments.mean_given_success) / 0.05, (-1 - moments.mean_given_failure) / 0.05
    logit = np.linspace(-60.0, 60.0, 120_001)
    success = -np.logaddexp(0.0, -logit) - np.log(0.1)
    failure = -np.logaddexp(0.0, logit) - np.log(0.9)
    best = np.argmin(0.1 * (success - up) ** 2 + 0.9 * (failure - down) ** 2)
    assert failure[best] == pytest.approx(-19.9, abs=0.01)
    assert (up - success[best]) / np.exp(success[best]) == pytest.approx(-0.0653, abs=1e-3)
    predicted = predict_update(
        0.1, 0.05, method="pmd_part", group_size=8, leave_one_out=False, reward_low=-1.0
    )
    assert predicted.failure_log_ratio == pytest.approx(-37.7, abs=0.01)
