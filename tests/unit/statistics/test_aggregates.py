"""Interquartile mean, probability of improvement and performance profiles, beside rliable."""

import numpy as np
import pytest
from scipy import stats

from pmd_pipeline.statistics.aggregates import (
    improvement_parts,
    interquartile_mean,
    interquartile_parts,
    performance_profile,
    probability_of_improvement,
)
from pmd_pipeline.statistics.two_level import two_level_error

FIRST = np.array([[8, 5, 6, 8, 5, 6], [7, 2, 0, 2, 2, 7], [8, 0, 4, 7, 1, 7]]) / 8
SECOND = np.array([[1, 4, 7, 2, 3, 2], [6, 2, 8, 4, 4, 4], [5, 4, 4, 8, 7, 7]]) / 8


def covered_fraction(parts: np.ndarray, truth: float) -> float:
    """Return the share of experiments, [N, S, P], whose 95 % interval holds the truth."""
    off = np.abs(parts.mean(axis=(-2, -1)) - truth)
    return float(np.mean(two_level_error(parts).upper_tail(off) >= 0.025))


def two_algorithms(num: int, num_seeds: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of two equal algorithms that share problems, [num, S, 128]."""
    rng = np.random.default_rng(4)
    problems = rng.normal(size=(num, 1, 128))
    deviation = np.sqrt(ratio * num_seeds / 128)
    first, second = (
        problems
        + rng.normal(scale=deviation, size=(num, num_seeds, 1))
        + rng.normal(size=(num, num_seeds, 128))
        for _ in range(2)
    )
    return first, second


def test_values_are_those_of_rliable() -> None:
    """rliable 1.2.0: aggregate_iqm, probability_of_improvement, create_performance_profile."""
    assert interquartile_mean(FIRST).value == pytest.approx(0.6375, rel=1e-12)
    assert interquartile_mean(SECOND).value == pytest.approx(0.5625, rel=1e-12)
    improvement = probability_of_improvement(FIRST, SECOND)
    assert improvement.value == pytest.approx(0.5185185185185185, rel=1e-12)
    profile = performance_profile(FIRST, [0.0, 0.25, 0.5, 0.9])
    assert [point.value for point in profile] == pytest.approx(
        [0.88888889, 0.66666667, 0.61111111, 0.16666667], abs=1e-8
    )


def test_interquartile_mean_is_scipys_trimmed_mean() -> None:
    for count in (1, 3, 5, 8):
        scores = np.random.default_rng(count).random((2, count))
        expected = stats.trim_mean(scores, 0.25, axis=None)
        assert interquartile_mean(scores).value == pytest.approx(expected, rel=1e-12)


def test_improvement_changes_sides_with_the_roles() -> None:
    forth = probability_of_improvement(FIRST, SECOND)
    back = probability_of_improvement(SECOND, FIRST)
    assert forth.value + back.value == pytest.approx(1.0, rel=1e-14)
    assert forth.error.standard_error == pytest.approx(back.error.standard_error, rel=1e-12)


def test_an_algorithm_that_always_wins_does_so_for_certain() -> None:
    improvement = probability_of_improvement(SECOND + 2, SECOND)
    assert improvement.interval() == (1.0, 1.0, 1.0)


def test_a_profile_is_a_share_with_an_interval_within_0_and_1() -> None:
    (point,) = performance_profile([[0.1, 0.9, 0.9], [0.9, 0.9, 0.9]], [0.5])
    assert point.value == pytest.approx(5 / 6)
    low, high = point.interval()[1:]
    assert 0.0 <= low < 5 / 6 < high <= 1.0


@pytest.mark.parametrize("num_seeds", [3, 5])
@pytest.mark.parametrize("ratio", [0.3, 3.0])
def test_intervals_cover_93_to_97_percent(num_seeds: int, ratio: float) -> None:
    """Of equal algorithms the probability is 1/2; of symmetric scores the mean is the middle."""
    first, second = two_algorithms(2000, num_seeds, ratio)
    assert 0.93 <= covered_fraction(interquartile_parts(first), 0.0) <= 0.97
    assert 0.93 <= covered_fraction(improvement_parts(first, second), 0.5) <= 0.97


def test_other_seeds_or_problems_are_refused() -> None:
    with pytest.raises(ValueError, match="3 training seeds x 6 problems and second 2 training"):
        probability_of_improvement(FIRST, SECOND[:2])
