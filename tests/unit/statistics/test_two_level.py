"""Means over seeds and problems, and what their intervals cover."""

import math

import numpy as np
import pytest
from scipy import stats

from pmd_pipeline.statistics.estimates import Covers
from pmd_pipeline.statistics.scores import cell_scores, paired_differences
from pmd_pipeline.statistics.two_level import (
    seeds_estimate,
    two_level_error,
    two_level_estimate,
)
from pmd_pipeline.statistics.variance import estimate_components

FloatArray = np.ndarray


def experiments(
    rng: np.random.Generator, num: int, shape: tuple[int, int], *, seed: float, rest: float
) -> FloatArray:
    """Return scores of mean 0, [num, S, P]; variances in units of that between problems."""
    seeds, problems = shape
    return (
        rng.normal(scale=math.sqrt(seed), size=(num, seeds, 1))
        + rng.normal(size=(num, 1, problems))
        + rng.normal(scale=math.sqrt(rest), size=(num, seeds, problems))
    )


def covered_fraction(scores: FloatArray, truth: float) -> float:
    """Return the share of experiments whose 95 % interval holds the truth."""
    off = np.abs(scores.mean(axis=(-2, -1)) - truth)
    return float(np.mean(two_level_error(scores).upper_tail(off) >= 0.025))


def test_a_table_without_interaction_by_hand() -> None:
    """Mean squares of seeds 3 * 2 / 1, of problems 2 * 14 / 2, of the rest 0."""
    estimate = two_level_estimate([[1, 2, 6], [3, 4, 8]])
    assert estimate.value == 4
    error = math.sqrt((6 + 14) / 6)
    assert estimate.error.standard_error == pytest.approx(error, rel=1e-14)
    tails = 0.3 * stats.t.sf(4 / error, 1) + 0.7 * stats.t.sf(4 / error, 2)
    assert estimate.p_value() == pytest.approx(2 * tails, rel=1e-12)
    assert estimate.covers == "seeds and problems"
    components = estimate_components([[1, 2, 6], [3, 4, 8]])
    assert (components.seed, components.problem, components.rest) == pytest.approx((2, 7, 0))


def test_components_of_a_table_with_interaction_by_hand() -> None:
    """Effects and their product patterns are orthogonal, so that every sum of squares is known."""
    seeds, problems = np.array([1.0, 0.0, -1.0]), np.array([1.0, -1.0, 1.0, -1.0])
    table = 2 * seeds[:, None] + 3 * problems + np.outer(seeds, problems)
    components = estimate_components(table)
    # Sums of squares 4 * 4 * 2, 3 * 9 * 4 and 2 * 4 of 2, 3 and 6 degrees of freedom.
    rest = 8 / 6
    assert components.rest == pytest.approx(rest, rel=1e-14)
    assert components.seed == pytest.approx((16 - rest) / 4, rel=1e-14)
    assert components.problem == pytest.approx((36 - rest) / 3, rel=1e-14)


@pytest.mark.parametrize("axis", [0, 1])
def test_one_seed_or_one_problem_has_students_interval(axis: int) -> None:
    values = np.random.default_rng(0).random(12)
    estimate = two_level_estimate(np.expand_dims(values, axis))
    expected = stats.ttest_1samp(values, 0.4)
    low, high = expected.confidence_interval(0.9)
    assert estimate.interval(0.9) == pytest.approx((values.mean(), low, high), rel=1e-12)
    assert estimate.p_value(0.4) == pytest.approx(expected.pvalue, rel=1e-12)
    assert estimate.covers is (Covers.PROBLEMS, Covers.SEEDS_ONE_PROBLEM)[axis]


def test_one_seed_and_one_problem_say_nothing() -> None:
    estimate = two_level_estimate([[0.3]], lowest=0.0, highest=1.0)
    assert estimate.interval() == (0.3, 0.0, 1.0)
    assert estimate.p_value() == 1.0
    assert estimate.covers is Covers.NOTHING


def test_the_interval_of_seed_means_is_that_of_the_published_library() -> None:
    """Values of statsmodels 0.15, DescrStatsW(a - b).ttest_mean and tconfint_mean."""
    ours = np.array([0.857, 0.862, 0.850, 0.861, 0.853])
    theirs = np.array([0.880, 0.883, 0.870, 0.860, 0.871])
    spread = np.array([-0.1, 0.0, 0.1])  # three problems, the same means
    estimate = seeds_estimate(ours[:, None] + spread - (theirs[:, None] - spread))
    assert estimate.p_value() == pytest.approx(0.020782309866870755, rel=1e-9)
    assert estimate.interval()[1:] == pytest.approx(
        (-0.02834674901611391, -0.004053250983886116), rel=1e-9
    )
    assert estimate.covers == "seeds alone, on these problems"


@pytest.mark.parametrize(
    ("num_seeds", "num"), [(3, 2000), (5, 1000), (10, 1000)], ids=["3", "5", "10"]
)
@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0, 3.0, 100.0])
def test_95_percent_intervals_cover_93_to_97_percent(
    num_seeds: int, num: int, ratio: float
) -> None:
    """Whatever part of the squared error comes from seeds: none, most, or between."""
    num_problems = 384
    seed = ratio * num_seeds / num_problems  # seed / S is so many times problem / P
    rng = np.random.default_rng(round(ratio * 10))
    scores = experiments(rng, num, (num_seeds, num_problems), seed=seed, rest=1.0)
    assert 0.93 <= covered_fraction(scores, 0.0) <= 0.97


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_intervals_of_graded_responses_cover_as_well(num_seeds: int) -> None:
    """Differences of accuracies of 8 samples, most problems solved or not at all."""
    rng = np.random.default_rng(1)
    num, num_problems = 1000, 384
    easiness = 0.1 + 0.8 * rng.beta(0.6, 0.3, size=(num, 1, num_problems))
    first, second = (
        rng.binomial(8, easiness + rng.uniform(-0.03, 0.03, size=(num, num_seeds, 1))) / 8
        for _ in range(2)
    )
    assert 0.93 <= covered_fraction(first - second, 0.0) <= 0.97


def test_what_two_algorithms_share_cancels_in_their_difference() -> None:
    rng = np.random.default_rng(0)
    shared = experiments(rng, 1, (3, 40), seed=1.0, rest=0.0)[0]
    noise = experiments(rng, 1, (3, 40), seed=0.0, rest=0.01)[0] / 10
    difference = two_level_estimate(paired_differences(shared + noise, shared))
    assert difference.value == pytest.approx(noise.mean(), abs=1e-14)
    assert difference.error.standard_error < two_level_estimate(shared).error.standard_error / 5


def test_an_interval_ends_where_the_p_value_is_what_it_leaves_out() -> None:
    estimate = two_level_estimate(np.random.default_rng(2).random((4, 9)))
    for level in (0.5, 0.95, 0.999):
        for end in estimate.interval(level)[1:]:
            assert estimate.p_value(end) == pytest.approx(1 - level, rel=1e-9)


def test_many_tables_at_once_have_the_errors_of_each() -> None:
    scores = experiments(np.random.default_rng(3), 5, (3, 7), seed=1.0, rest=1.0)
    errors = two_level_error(scores)
    for i, table in enumerate(scores):
        width = two_level_estimate(table).interval(0.9).high - table.mean()
        assert errors.half_width(0.9)[i] == pytest.approx(width, rel=1e-12)


def test_equal_scores_have_an_interval_of_no_width() -> None:
    estimate = two_level_estimate(np.full((3, 4), 0.25))
    assert estimate.interval() == (0.25, 0.25, 0.25)
    assert estimate.p_value() == 0.0
    assert estimate.p_value(0.25) == 1.0


def test_cells_are_means_over_samples() -> None:
    correct = [[[True, False], [True, True]], [[False, False], [True, False]]]
    assert cell_scores(correct).tolist() == [[0.5, 1.0], [0.0, 0.5]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: two_level_estimate([0.1, 0.2]), r"row per training seed.*shape \(2,\)"),
        (lambda: two_level_estimate([[0.1, math.nan]]), "finite, found nan"),
        (lambda: two_level_estimate(np.ones((2, 2, 2))), r"one table.*\(2, 2, 2\)"),
        (lambda: seeds_estimate([[0.1, 0.2]]), "at least 2 of them, found 1"),
        (lambda: estimate_components([[0.1, 0.2]]), "at least 2 training seeds"),
        (lambda: cell_scores([[True, False]]), r"\[S, P, K\]; found shape \(1, 2\)"),
        (
            lambda: paired_differences([[0.1, 0.2]], [[0.1, 0.2], [0.1, 0.2]], ("a", "b")),
            "a has 1 training seed x 2 problems and b 2 training seeds x 2 problems",
        ),
        (lambda: two_level_estimate([[1.0, 2.0]]).interval(1.0), r"level.*1\.0"),
    ],
)
def test_unusable_scores_are_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()


def test_seeds_with_equal_means_are_not_certain_where_their_cells_differ() -> None:
    """By chance both seeds score 1/2 on opposite problems: the error is that of the rest."""
    scores = np.array([[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]])
    found = two_level_estimate(scores)
    rest = np.square(scores - 0.5).sum() / 3
    assert found.error.standard_error == pytest.approx(np.sqrt(rest / 8), rel=1e-12)
    assert found.interval().low < 0 < 1 < found.interval().high
    same = two_level_estimate(np.tile(scores[:1] * 0 + 0.5, (2, 1)))
    assert same.interval() == (0.5, 0.5, 0.5)
