"""Slopes over conditions, and drops from the best evaluation."""

import numpy as np
import pytest

from pmd_pipeline.statistics.contrasts import drops_from_best, slopes, weighted_slope
from pmd_pipeline.statistics.two_level import two_level_error, two_level_estimate


def test_slopes_are_those_of_least_squares_in_each_cell() -> None:
    x = np.array([1.0, 2.0, 4.0])
    scores = np.random.default_rng(0).normal(size=(3, 4, 5))
    found = slopes(scores, x)
    for seed, problem in np.ndindex(4, 5):
        expected = np.polyfit(x, scores[:, seed, problem], 1)[0]
        assert found[seed, problem] == pytest.approx(expected, abs=1e-12)


def test_the_mean_slope_is_the_slope_of_the_means() -> None:
    x, scores = np.arange(4.0), np.random.default_rng(1).normal(size=(4, 3, 6))
    means = scores.mean(axis=(1, 2))
    assert slopes(scores, x).mean() == pytest.approx(np.polyfit(x, means, 1)[0], abs=1e-12)


def test_intervals_of_an_interaction_cover_as_they_say() -> None:
    """1,000 experiments: 2 lines x 4 sizes, 10 pairs, 60 problems, seeds and problems random."""
    random, truth, sizes = np.random.default_rng(2), 0.03, np.log2([4, 8, 16, 32])
    shape = (1000, 4, 10, 60)
    difference = (
        truth * sizes[:, None, None]
        + random.normal(scale=0.03, size=(1000, 4, 10, 1))
        + random.normal(scale=0.1, size=(1000, 4, 1, 60))
        + random.normal(scale=0.2, size=shape)
    )
    centred = sizes - sizes.mean()
    tables = np.tensordot(difference, centred, axes=([1], [0])) / np.square(centred).sum()
    assert tables[0] == pytest.approx(slopes(difference[0], sizes), abs=1e-12)
    off = np.abs(tables.mean(axis=(1, 2)) - truth)
    assert 0.93 <= np.mean(two_level_error(tables).upper_tail(off) >= 0.025) <= 0.97


def test_a_weighted_slope_counts_each_bin_as_often_as_it_has_groups() -> None:
    x, y, counts = [0.1, 0.3, 0.8], [1.0, 0.5, 3.0], [2, 1, 3]
    repeated = np.polyfit(np.repeat(x, counts), np.repeat(y, counts), 1)[0]
    assert weighted_slope(y, x, counts) == pytest.approx(repeated, rel=1e-12)


def test_a_weighted_slope_leaves_out_what_is_unknown_or_empty() -> None:
    assert weighted_slope([1.0, np.nan, 9.0, 3.0], [0, 1, 2, 4], [1, 1, 0, 1]) == pytest.approx(0.5)
    assert np.isnan(weighted_slope([1.0, np.nan], [0, 1], [1, 1]))


def test_intervals_of_paired_slopes_over_bins_cover_as_they_say() -> None:
    """1,000 experiments of 10 pairs, each with a slope of its own over 4 unequal bins."""
    random, truth = np.random.default_rng(3), 1.5
    x, counts = np.array([0.05, 0.2, 0.4, 0.8]), np.array([40, 10, 25, 5])
    per_pair = truth + random.normal(scale=0.5, size=(1000, 10, 1))
    noise = random.normal(size=(1000, 10, 4)) / np.sqrt(counts)
    values = 0.3 + per_pair * x + noise
    # A slope is linear in the values: these are what it makes of each of them.
    parts = np.array([weighted_slope(one, x, counts) for one in np.eye(4)])
    found = values @ parts
    assert found[0, 0] == pytest.approx(weighted_slope(values[0, 0], x, counts), abs=1e-12)
    off = np.abs(found.mean(axis=1) - truth)
    assert 0.93 <= np.mean(two_level_error(found[:, :, None]).upper_tail(off) >= 0.025) <= 0.97


def test_the_drop_from_the_best_by_hand() -> None:
    """On both halves of the problems the second of three evaluations is the best."""
    curves = np.array([[[0.0, 0.2, 0.0, 0.2]], [[0.9, 0.7, 0.9, 0.7]], [[0.5, 0.6, 0.7, 0.4]]])
    assert drops_from_best(curves) == pytest.approx(np.array([[0.4, 0.1, 0.2, 0.3]]))


def test_the_luck_of_the_best_evaluation_is_no_drop() -> None:
    """A flat curve measured with noise: best minus last is large, the drop is not."""
    random = np.random.default_rng(4)
    curves = 0.8 + random.normal(scale=0.3, size=(15, 200, 40))
    naive = curves.mean(axis=2).max(axis=0) - curves[-1].mean(axis=1)
    drops = drops_from_best(curves)
    error = float(two_level_estimate(drops).error.standard_error)
    assert naive.mean() > 0.05
    assert abs(drops.mean()) < 3 * error < 0.02


def test_intervals_of_a_difference_of_drops_cover_as_they_say() -> None:
    """1,000 experiments of two flat curves: 8 evaluations, 10 pairs, 60 problems."""
    random = np.random.default_rng(6)
    tables = []
    for _ in range(1000):
        problems = random.normal(scale=0.3, size=60)
        arms = random.normal(scale=0.3, size=(2, 8, 10, 60)) + problems
        arms += random.normal(scale=0.05, size=(2, 8, 10, 1))
        first, second = (drops_from_best(arm) for arm in arms)
        tables.append(first - second)
    off = np.abs(np.mean(tables, axis=(1, 2)))
    assert 0.93 <= np.mean(two_level_error(np.array(tables)).upper_tail(off) >= 0.025) <= 0.97


@pytest.mark.parametrize(
    ("scores", "x", "message"),
    [
        (np.zeros((2, 1)), [0, 1], "a table per condition"),
        (np.zeros((2, 1, 1)), [0, 1, 2], r"\(2, 1, 1\) and \(3,\)"),
        (np.zeros((2, 1, 1)), [1, 1], "two different places"),
    ],
)
def test_slopes_that_make_no_sense_are_refused(
    scores: np.ndarray, x: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        slopes(scores, x)
