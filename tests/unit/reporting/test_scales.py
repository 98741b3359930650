"""Scales for values over orders of magnitude."""

import numpy as np
import pytest

from pmd_pipeline.reporting.drawing.scales import SymlogScale, is_widely_spread, log_ticks


def test_values_have_the_positions_of_the_formula() -> None:
    """sign(y) log10(1 + |y| / width): 9 and 99 widths are one and two decades from zero."""
    scale = SymlogScale(linear_width=2.0)
    positions = scale.forward(np.array([-198.0, -18.0, 0.0, 18.0, 198.0]))
    np.testing.assert_allclose(positions, [-2, -1, 0, 1, 2], rtol=1e-14, atol=0)


def test_inverse_undoes_forward() -> None:
    """Values come back, from tiny ones to huge ones."""
    scale = SymlogScale(linear_width=0.01)
    values = np.array([-1e6, -3.0, -1e-9, 0.0, 1e-9, 0.5, 1e6])
    np.testing.assert_allclose(scale.inverse(scale.forward(values)), values, rtol=1e-12)


def test_ticks_are_decades_and_zero_over_a_wide_range() -> None:
    """From -1000 to 0 there is a tick per decade."""
    assert SymlogScale(linear_width=1.0).ticks(-1000.0, 0.0) == [-1000, -100, -10, -1, 0]


def test_ticks_are_finer_over_a_narrow_range() -> None:
    """Within two decades 3 and 30 get ticks as well."""
    assert SymlogScale(linear_width=1.0).ticks(0.0, 50.0) == [0, 1, 3, 10, 30]


def test_ticks_stay_few_over_many_decades() -> None:
    """Twelve decades get at most seven ticks, the largest decade among them."""
    ticks = SymlogScale(linear_width=0.01).ticks(0.0, 3e9)
    assert ticks[0] == 0
    assert ticks[-1] == 1e9
    assert len(ticks) <= 7


def test_ticks_on_either_side_of_zero_mirror_each_other() -> None:
    """A range around zero gets ticks on both sides."""
    assert SymlogScale(linear_width=1.0).ticks(-500.0, 500.0) == [-100, -10, -1, 0, 1, 10, 100]


def test_width_must_be_positive() -> None:
    """A width of zero is refused."""
    with pytest.raises(ValueError, match="linear_width must be positive, found 0"):
        SymlogScale(linear_width=0)


def test_spread_is_wide_when_the_largest_value_is_far_above_the_median() -> None:
    """-1000 among values near -5 is wide; -20 is not; NaN and infinity do not count."""
    assert is_widely_spread(np.array([-4.0, -5.0, -6.0, -1000.0, np.nan]))
    assert not is_widely_spread(np.array([-4.0, -5.0, -6.0, -20.0, np.inf]))
    assert not is_widely_spread(np.array([np.nan]))


def test_logarithmic_ticks_are_round_numbers() -> None:
    assert log_ticks(0.02, 2.0) == [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]


def test_where_few_logarithmic_ticks_fit_there_are_few() -> None:
    """Four of 0.03 to 1 lie within; of decades, six."""
    assert log_ticks(0.02, 2.0, most=4) == [0.03, 0.1, 0.3, 1.0, 3.0]
    assert log_ticks(1e-5, 1.0, most=6) == [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0]
