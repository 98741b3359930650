"""Sign flips, Holm's correction, equivalence, collapses and effect sizes."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from pmd_pipeline.statistics.collapses import compare_collapses
from pmd_pipeline.statistics.effect_size import paired_effect_size
from pmd_pipeline.statistics.equivalence import equivalence_p_value
from pmd_pipeline.statistics.multiple_tests import holm
from pmd_pipeline.statistics.sign_flips import sign_flip_test
from pmd_pipeline.statistics.two_level import seeds_estimate, two_level_estimate

DIFFERENCES = np.array([-0.023, -0.021, -0.020, 0.001, -0.018])


def test_three_seeds_reach_a_quarter_at_best() -> None:
    """Two of the eight flips have all signs equal."""
    found = sign_flip_test([0.1, 0.2, 0.3])
    assert (found.p_value, found.smallest_p_value, found.exact) == (0.25, 0.25, True)


def test_exact_p_values_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    for count in (4, 7, 10):
        differences = rng.normal(0.6, 1.0, count)
        expected = stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=2**count
        )
        assert sign_flip_test(differences).p_value == pytest.approx(expected.pvalue, rel=1e-12)


def test_sums_that_differ_by_rounding_alone_are_ties() -> None:
    """0.1 + 0.2 - 0.3 is 5.6e-17 in floats, -0.1 - 0.2 + 0.3 its mirror, and both are 0."""
    assert sign_flip_test([0.1, 0.2, -0.3]).p_value == 1.0


def test_no_level_is_exceeded_under_the_null_hypothesis() -> None:
    """Of all flips of the same magnitudes, at most a share alpha has a p-value of alpha."""
    magnitudes = np.array([0.3, 1.0, 0.2, 0.7, 0.5, 0.1])
    p_values = np.array(
        [
            sign_flip_test(magnitudes * signs).p_value
            for signs in itertools.product((-1.0, 1.0), repeat=6)
        ]
    )
    for alpha in np.unique(p_values):
        assert np.mean(p_values <= alpha) == alpha


def test_drawn_flips_agree_with_all_and_never_reach_0() -> None:
    rng = np.random.default_rng(1)
    differences = rng.normal(0.5, 1.0, 12)
    exact = sign_flip_test(differences).p_value
    drawn = sign_flip_test(differences, max_exact=5, num_draws=20_000)
    assert drawn.p_value == pytest.approx(exact, abs=4 * math.sqrt(exact / 20_000))
    assert not drawn.exact
    sure = sign_flip_test(np.ones(60), num_draws=999)
    assert sure.p_value == sure.smallest_p_value == 1 / 1000


def test_the_same_seed_draws_the_same_flips() -> None:
    differences = np.random.default_rng(2).normal(size=30)
    assert sign_flip_test(differences, seed=5) == sign_flip_test(differences, seed=5)
    assert sign_flip_test(differences, seed=5) != sign_flip_test(differences, seed=6)


def test_holm_agrees_with_the_published_library() -> None:
    """Values of statsmodels 0.15, multipletests(method="holm")."""
    assert holm([0.01, 0.04, 0.03, 0.005, 0.2]) == pytest.approx((0.04, 0.09, 0.09, 0.025, 0.2))
    assert holm([0.6, 0.7]) == (1.0, 1.0)
    assert holm([]) == ()


@pytest.mark.parametrize(
    ("margin", "expected"), [(0.03, 0.01718522511793992), (0.02, 0.21704142745749722)]
)
def test_equivalence_agrees_with_the_published_library(margin: float, expected: float) -> None:
    """Values of statsmodels 0.15, ttost_paired."""
    estimate = seeds_estimate(DIFFERENCES[:, None])
    assert equivalence_p_value(estimate, margin) == pytest.approx(expected, rel=1e-9)


def test_equivalence_is_a_90_percent_interval_within_the_margin() -> None:
    estimate = seeds_estimate(DIFFERENCES[:, None])
    edge = -estimate.interval(0.90).low
    assert equivalence_p_value(estimate, edge) == pytest.approx(0.05, rel=1e-9)


@pytest.mark.parametrize(("num_problems", "expected"), [(48, 0.6173), (298, 0.0500), (384, 0.0211)])
def test_equal_answers_are_equivalent_where_there_are_enough(
    num_problems: int, expected: float
) -> None:
    """The chance to draw none of the problems that differ, if one in a hundred does."""
    estimate = two_level_estimate(np.zeros((3, num_problems)))
    assert equivalence_p_value(estimate, 0.01) == pytest.approx(expected, abs=1e-4)
    assert equivalence_p_value(estimate, 0.01, largest=math.inf) == 1.0


def test_collapses_that_both_share_say_nothing() -> None:
    both = [True, True, False]
    found = compare_collapses(both, both)
    assert (found.num_first, found.num_first_only, found.p_value) == (2, 0, 1.0)


def test_collapse_counts_agree_with_the_published_libraries() -> None:
    """8 against 1 discordant seeds: statsmodels 0.15, mcnemar(exact=True); 6 against 2: scipy."""
    first = [True] * 3 + [True] * 8 + [False] * 1 + [False] * 5
    second = [True] * 3 + [False] * 8 + [True] * 1 + [False] * 5
    found = compare_collapses(first, second)
    assert (found.num_first, found.num_second) == (11, 4)
    assert (found.num_first_only, found.num_second_only) == (8, 1)
    assert found.p_value == pytest.approx(0.0390625, rel=1e-12)
    again = compare_collapses([True] * 6 + [False] * 2, [False] * 6 + [True] * 2)
    assert again.p_value == pytest.approx(stats.binomtest(2, 8).pvalue, rel=1e-12)


def test_effect_size_of_three_differences_by_hand() -> None:
    """Mean 2, deviation 1, correction gamma(1) / gamma(1/2)."""
    assert paired_effect_size([1, 2, 3]) == pytest.approx(2 / math.sqrt(math.pi), rel=1e-14)
    assert paired_effect_size([-0.5, -0.5, -0.5]) == -math.inf
    assert paired_effect_size([0.0, 0.0, 0.0]) == 0.0


def test_effect_size_has_no_bias() -> None:
    """Four seeds, true effect 1.5; the uncorrected mean would be 2.07."""
    draws = np.random.default_rng(0).normal(1.5, 1.0, size=(5000, 4))
    assert np.mean([paired_effect_size(row) for row in draws]) == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sign_flip_test([]), r"shape \(0,\)"),
        (lambda: sign_flip_test([1.0, math.inf]), "finite, found inf"),
        (lambda: holm([0.5, 1.5]), r"between 0 and 1, found 1\.5"),
        (lambda: holm([math.nan]), "found nan"),
        (lambda: equivalence_p_value(seeds_estimate([[1.0], [2.0]]), 0.0), r"margin.*0\.0"),
        (lambda: compare_collapses([True], [True, False]), r"\(1,\) and \(2,\)"),
        (lambda: paired_effect_size([1.0, 2.0]), "at least 3 training seeds"),
    ],
)
def test_unusable_arguments_are_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()
