"""How many seeds or problems would tell a difference."""

import numpy as np
import pytest

from pmd_pipeline.statistics.power import (
    difference_told,
    power_to_tell,
    problems_to_tell,
    seeds_to_tell,
)
from pmd_pipeline.statistics.two_level import two_level_error
from pmd_pipeline.statistics.variance import VarianceComponents

SEEDS_ALONE = VarianceComponents(seed=1.0, problem=0.0, rest=0.0)
USUAL = VarianceComponents(seed=0.01**2, problem=0.15**2, rest=0.2**2)


@pytest.mark.parametrize(
    ("difference", "num_seeds", "alpha", "expected"),
    [(0.5, 20, 0.05, 0.5645044184390203), (-0.8, 10, 0.01, 0.3096979155434131)],
)
def test_power_of_seeds_alone_is_that_of_the_published_library(
    difference: float, num_seeds: int, alpha: float, expected: float
) -> None:
    """Values of statsmodels 0.15, TTestPower().power."""
    found = power_to_tell(
        difference, SEEDS_ALONE, num_seeds=num_seeds, num_problems=384, alpha=alpha
    )
    assert found == pytest.approx(expected, rel=1e-8)


def test_counts_and_differences_are_those_of_the_published_library() -> None:
    """TTestPower().solve_power gives 33.37 pairs for 0.5, and 1.02947 for 12 pairs at 90 %."""
    assert seeds_to_tell(0.5, SEEDS_ALONE, num_problems=2) == 34
    told = difference_told(SEEDS_ALONE, num_seeds=12, num_problems=384, power=0.9)
    assert told == pytest.approx(1.0294699805927454, rel=1e-5)


@pytest.mark.parametrize(("num_seeds", "difference"), [(3, 0.04), (5, 0.03), (10, 0.025)])
def test_power_is_that_of_simulated_experiments(num_seeds: int, difference: float) -> None:
    """The share of 1,000 experiments in which the test finds the difference."""
    rng = np.random.default_rng(num_seeds)
    scores = (
        difference
        + rng.normal(scale=0.01, size=(1000, num_seeds, 1))
        + rng.normal(scale=0.15, size=(1000, 1, 384))
        + rng.normal(scale=0.2, size=(1000, num_seeds, 384))
    )
    told = two_level_error(scores).upper_tail(np.abs(scores.mean(axis=(1, 2)))) < 0.025
    expected = power_to_tell(difference, USUAL, num_seeds=num_seeds, num_problems=384)
    assert told.mean() == pytest.approx(expected, abs=0.05)


def test_no_difference_is_told_as_often_as_alpha_says() -> None:
    found = power_to_tell(0.0, USUAL, num_seeds=4, num_problems=50, alpha=0.03)
    assert found == pytest.approx(0.03, rel=1e-9)


def test_a_difference_of_many_errors_is_told_for_certain() -> None:
    """scipy's noncentral t is NaN for some of these."""
    for difference in np.linspace(0.3, 3.0, 40):
        found = power_to_tell(difference, USUAL, num_seeds=5, num_problems=384)
        assert found == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("num_seeds", [2, 3, 4])
def test_with_few_seeds_power_grows_with_the_difference_up_to_one(num_seeds: int) -> None:
    """scipy's noncentral t is NaN for some chances of the far side, too."""
    found = [
        power_to_tell(difference, SEEDS_ALONE, num_seeds=num_seeds, num_problems=384, alpha=alpha)
        for alpha in (0.05, 0.005)
        for difference in np.arange(1.0, 9.0, 0.25) / np.sqrt(num_seeds)
    ]
    for powers in np.reshape(found, (2, -1)):
        assert (np.diff(powers) > 0).all()
        assert powers[-1] < 1


@pytest.mark.parametrize(("num_seeds", "expected"), [(2, 11.54989), (3, 3.264044)])
def test_the_difference_told_by_few_seeds(num_seeds: int, expected: float) -> None:
    """Of a t test with one and two degrees of freedom: by integration over the deviation."""
    told = difference_told(SEEDS_ALONE, num_seeds=num_seeds, num_problems=384)
    assert told == pytest.approx(expected, rel=1e-5)


def test_the_least_count_has_the_power_and_one_less_has_not() -> None:
    seeds = seeds_to_tell(0.03, USUAL, num_problems=384)
    assert seeds == 6
    assert power_to_tell(0.03, USUAL, num_seeds=6, num_problems=384) >= 0.8
    assert power_to_tell(0.03, USUAL, num_seeds=5, num_problems=384) < 0.8
    problems = problems_to_tell(0.03, USUAL, num_seeds=10)
    assert problems is not None
    assert power_to_tell(0.03, USUAL, num_seeds=10, num_problems=problems) >= 0.8
    assert power_to_tell(0.03, USUAL, num_seeds=10, num_problems=problems - 1) < 0.8


def test_a_difference_below_what_problems_or_seeds_leave_is_never_told() -> None:
    assert seeds_to_tell(0.01, USUAL, num_problems=384) is None
    assert problems_to_tell(0.01, USUAL, num_seeds=3) is None


def test_the_difference_told_is_told_with_the_power() -> None:
    told = difference_told(USUAL, num_seeds=5, num_problems=384, power=0.8, alpha=0.01)
    found = power_to_tell(told, USUAL, num_seeds=5, num_problems=384, alpha=0.01)
    assert found == pytest.approx(0.8, abs=1e-6)


def test_scores_that_do_not_vary_tell_any_difference() -> None:
    nothing = VarianceComponents(seed=0.0, problem=0.0, rest=0.0)
    assert power_to_tell(1e-9, nothing, num_seeds=2, num_problems=2) == 1.0
    assert power_to_tell(0.0, nothing, num_seeds=2, num_problems=2) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: power_to_tell(0.1, USUAL, num_seeds=1, num_problems=9), "found 1 and 9"),
        (
            lambda: power_to_tell(0.1, USUAL, num_seeds=2, num_problems=9, alpha=0.0),
            r"alpha.*0\.0",
        ),
        (lambda: seeds_to_tell(0.1, USUAL, num_problems=9, power=1.0), r"power.*1\.0"),
        (
            lambda: difference_told(USUAL, num_seeds=2, num_problems=9, power=0.05),
            r"above alpha, 0\.05, found 0\.05",
        ),
    ],
)
def test_unusable_plans_are_refused(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()
