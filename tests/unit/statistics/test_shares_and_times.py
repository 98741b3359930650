"""Exact intervals of shares, and ratios of times."""

import numpy as np
import pytest
from scipy import stats

from pmd_pipeline.statistics.shares import exact_share
from pmd_pipeline.statistics.times import log_ratios_of_times, time_to_reach
from pmd_pipeline.statistics.two_level import two_level_error, two_level_estimate


@pytest.mark.parametrize("num_hits", [0, 1, 8, 10])
def test_a_share_has_the_interval_of_clopper_and_pearson(num_hits: int) -> None:
    expected = stats.binomtest(num_hits, 10).proportion_ci(0.95, method="exact")
    share = exact_share(num_hits, 10)
    assert share.value == num_hits / 10
    assert (share.low, share.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_interval_of_a_share_covers_at_least_what_it_says() -> None:
    """Summed over all outcomes of 10 trials, for every true share."""
    intervals = [exact_share(hits, 10) for hits in range(11)]
    for truth in np.linspace(0.005, 0.995, 100):
        chances = stats.binom.pmf(np.arange(11), 10, truth)
        covered = sum(
            float(chance)
            for chance, (_, low, high) in zip(chances, intervals, strict=True)
            if low <= truth <= high
        )
        assert covered >= 0.95


def test_a_time_is_read_off_the_line_between_evaluations() -> None:
    assert time_to_reach([0.2, 0.4, 0.8], [0, 10, 30], 0.5) == pytest.approx(15.0)
    assert time_to_reach([0.6, 0.4], [0, 10], 0.5) == 0.0
    assert np.isnan(time_to_reach([0.2, 0.4], [0, 10], 0.5))


def test_an_unknown_score_reaches_nothing() -> None:
    assert time_to_reach([0.2, np.nan, 0.8], [0, 10, 30], 0.5) == 30.0


def test_log_ratios_of_times_have_the_interval_of_a_paired_t_test_of_logs() -> None:
    first, second = np.array([2.0, 3.0, 5.0]), np.array([4.0, 5.0, 12.0])
    found = two_level_estimate(log_ratios_of_times(first, second)[:, None])
    expected = stats.ttest_rel(np.log(first), np.log(second))
    assert found.value == pytest.approx(np.log(first / second).mean())
    assert found.p_value() == pytest.approx(expected.pvalue, rel=1e-10)
    low, high = expected.confidence_interval()
    assert found.interval()[1:] == pytest.approx((low, high), rel=1e-10)


def test_what_took_no_time_has_no_ratio() -> None:
    assert np.isnan(log_ratios_of_times([0.0, 2.0], [1.0, 2.0])).tolist() == [True, False]


def test_intervals_of_log_ratios_cover_as_they_say() -> None:
    """1,000 experiments of 10 pairs with log-normal times; a pair's machine slows both alike."""
    random, truth = np.random.default_rng(5), np.log(0.8)
    machine = random.normal(scale=0.5, size=(1000, 10))
    first = np.exp(truth + machine + random.normal(scale=0.1, size=(1000, 10)))
    second = np.exp(machine + random.normal(scale=0.1, size=(1000, 10)))
    logs = log_ratios_of_times(first.ravel(), second.ravel()).reshape(1000, 10, 1)
    off = np.abs(logs.mean(axis=(1, 2)) - truth)
    assert 0.93 <= np.mean(two_level_error(logs).upper_tail(off) >= 0.025) <= 0.97


def test_times_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\)"):
        log_ratios_of_times([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="at least 0"):
        log_ratios_of_times([1, -1], [1, 2])
    with pytest.raises(ValueError, match="rising"):
        time_to_reach([0.1, 0.2], [3, 2], 0.5)
    with pytest.raises(ValueError, match="11 of 10"):
        exact_share(11, 10)
