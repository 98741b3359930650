"""How numbers are written."""

import math

import numpy as np
import pytest

from pmd_pipeline.reporting import formatting


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.7, "1 h 00 min"),
        (3720, "1 h 02 min"),
        (7199, "2 h 00 min"),
        (math.nan, "–"),
    ],
)
def test_durations_read_as_people_say_them(value: float, text: str) -> None:
    """Neither 60 s nor 60 min ever appears."""
    assert formatting.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.int64(3), "3"),
        (np.float64(0.12345678), "0.1235"),
        (-2.0, "−2"),
        (np.bool_(True), "yes"),
        (None, "–"),
        (math.nan, "–"),
        (1234567, "1234567"),
        ("text", "text"),
    ],
)
def test_any_cell_has_a_text(value: object, text: str) -> None:
    """Whole numbers are whole, others have four digits."""
    assert formatting.number(value) == text


def test_intervals_are_empty_where_unknown() -> None:
    """Half an interval is none."""
    assert formatting.interval(0.1, math.nan) == ""
    assert formatting.interval(-0.1, 0.2, signed=True) == "[−0.100, +0.200]"


def test_metric_names_carry_their_k() -> None:
    """Metrics about correctness show k, those about responses do not, unknown ones stay."""
    assert formatting.metric_name("pass_at_k", 8) == "pass@8"
    assert formatting.metric_name("truncated_fraction", 8) == "truncated share"
    assert formatting.metric_name("novelty", 8) == "novelty"


def test_an_interval_without_a_width_says_why() -> None:
    """All scores are the same; an interval that is narrow beyond its digits stays one."""
    assert formatting.with_interval(0.0, 0.0, 0.0) == "0.000 [all equal]"
    assert formatting.with_interval(0.0, 0.0, 0.0, signed=True) == "+0.000 [all equal]"
    assert formatting.with_interval(0.5, 0.4999, 0.5001) == "0.500 [0.500, 0.500]"
    assert formatting.with_interval(0.5, math.nan, math.nan) == "0.500"
