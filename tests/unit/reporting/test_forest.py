"""Forest plots: the order of the rows, where they are drawn, and what is told from nothing."""

import math

import pytest

from pmd_pipeline.reporting.drawing.scales import round_ticks
from pmd_pipeline.reporting.forest import Forest, Measured, forest_plot

HEADER = ("algorithm", "gain", "gain")


def gains(*values: tuple[str, float, float, float]) -> Forest:
    measured = [Measured(name=n, value=v, low=low, high=high) for n, v, low, high in values]
    return forest_plot(measured, caption="c", header=HEADER, held_against=0.0, signed=True)


def test_the_largest_gain_stands_on_top_and_equal_ones_keep_their_order() -> None:
    plot = gains(("a", 0.1, 0.0, 0.2), ("b", 0.3, 0.2, 0.4), ("c", 0.1, 0.0, 0.2))
    assert [row.name for row in plot.rows] == ["b", "a", "c"]
    assert plot.rows[0].text == "+0.300\n[+0.200, +0.400]"


def test_places_are_percent_of_all_that_is_shown_and_zero_is_shown() -> None:
    """From 0 to 0.5 with 6 % free on either side: 0.28 wide for each half of 0.56."""
    (row,) = gains(("a", 0.25, 0.2, 0.5)).rows
    plot = gains(("a", 0.25, 0.2, 0.5))
    assert plot.held_against == pytest.approx(100 * 0.03 / 0.56, abs=0.01)
    assert (row.at, row.high) == pytest.approx((50.0, 100 * 0.53 / 0.56), abs=0.01)
    assert [text for _, text in plot.ticks] == ["0", "0.2", "0.4"]


def test_only_what_leaves_out_zero_is_told_from_it() -> None:
    """An interval that ends there does not, and neither does a value without one."""
    plot = gains(
        ("up", 0.3, 0.1, 0.5),
        ("touches", 0.2, 0.0, 0.4),
        ("unknown", 0.1, math.nan, math.nan),
        ("down", -0.3, -0.5, -0.1),
    )
    assert [row.is_told for row in plot.rows] == [True, False, False, True]
    unknown = plot.rows[2]
    assert unknown.low == unknown.at == unknown.high


def test_equal_values_have_an_axis_too() -> None:
    plot = gains(("a", 0.0, 0.0, 0.0))
    assert plot.rows[0].at == plot.held_against == 50.0
    assert plot.ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (-0.03, 0.53, [0.0, 0.2, 0.4]),
        (-120.0, 90.0, [-100.0, -50.0, 0.0, 50.0]),
        (0.0031, 0.0049, [0.0035, 0.004, 0.0045]),
    ],
)
def test_round_ticks_are_one_two_or_five_apart(low: float, high: float, ticks: list[float]) -> None:
    assert round_ticks(low, high, 5) == ticks
