import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmd_pipeline.statistics import problem_bootstrap
from pmd_pipeline.statistics.problem_bootstrap import (
    bootstrap_interval,
    paired_difference_interval,
)


def test_interval_of_many_problems_is_close_to_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    interval = bootstrap_interval(values, seed=1, num_resamples=10_000)
    error = values.std() / 20
    assert interval.value == values.mean()
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.06 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.06 * error)


def test_two_problems_have_the_quantiles_of_three_possible_means() -> None:
    # means 0, 1/2 and 1 with probabilities 1/4, 1/2 and 1/4
    interval = bootstrap_interval([0.0, 1.0], seed=3, num_resamples=5000)
    assert interval == (0.5, 0.0, 1.0)
    assert bootstrap_interval([0.0, 1.0], seed=3, level=0.4) == (0.5, 0.5, 0.5)


def test_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = np.random.default_rng(0).random(60)
    first = bootstrap_interval(values, seed=5)
    assert bootstrap_interval(values, seed=5) == first
    assert bootstrap_interval(values, seed=6) != first


def test_blocks_of_memory_do_not_change_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(37)
    whole = bootstrap_interval(values, seed=5, num_resamples=500)
    monkeypatch.setattr(problem_bootstrap, "_BLOCK_CELLS", 100)
    assert bootstrap_interval(values, seed=5, num_resamples=500) == whole


@pytest.mark.parametrize("values", [[0.3], [0.1] * 7, [1.0, 1.0]])
def test_one_problem_or_equal_values_give_an_interval_of_no_width(values: list[float]) -> None:
    assert bootstrap_interval(values, seed=0) == (values[0], values[0], values[0])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.integers(0, 2**32))
def test_interval_lies_within_the_values_and_moves_with_them(
    values: list[float], seed: int
) -> None:
    interval = bootstrap_interval(values, seed, num_resamples=200)
    assert min(values) - 1e-12 <= interval.low <= interval.high <= max(values) + 1e-12
    moved = bootstrap_interval([-v for v in values], seed, num_resamples=200)
    assert moved.low == pytest.approx(-interval.high, abs=1e-12)
    assert moved.high == pytest.approx(-interval.low, abs=1e-12)


def test_wider_level_gives_a_wider_interval() -> None:
    values = np.random.default_rng(0).random(50)
    narrow = bootstrap_interval(values, seed=0, level=0.5)
    wide = bootstrap_interval(values, seed=0, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_pairing_removes_the_difficulty_of_the_problems() -> None:
    difficulty = np.random.default_rng(0).random(100)
    interval = paired_difference_interval(difficulty + 0.125, difficulty, seed=0)
    assert interval.value == pytest.approx(0.125, abs=1e-15)
    assert interval.high - interval.low < 1e-15


def test_paired_difference_changes_sign_with_the_roles() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(40), rng.random(40)
    forth = paired_difference_interval(a, b, seed=2)
    back = paired_difference_interval(b, a, seed=2)
    assert back.value == -forth.value
    assert back.low == pytest.approx(-forth.high, abs=1e-15)


@pytest.mark.parametrize(
    ("values", "kwargs", "message"),
    [
        ([], {}, r"shape \(0,\)"),
        ([[1.0]], {}, "one value per problem"),
        ([1.0, float("nan")], {}, "nan"),
        ([1.0, 2.0], {"num_resamples": 0}, "num_resamples.*0"),
        ([1.0, 2.0], {"level": 1.0}, r"level.*1\.0"),
    ],
)
def test_unusable_arguments_are_refused(values, kwargs, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(values, seed=0, **kwargs)


def test_paired_policies_must_have_the_same_problems() -> None:
    with pytest.raises(ValueError, match="2 problems and baseline_values 1"):
        paired_difference_interval([1.0, 2.0], [1.0], seed=0)
