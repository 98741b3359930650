"""Long lines of interactive figures: fewer points, the same look."""

import numpy as np

from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.reporting.drawing.spec import Axis, FigureSpec, Panel, Series
from pmd_pipeline.reporting.drawing.thinning import MOST_POINTS, thinned, thinning_note


def make_line(length: int, **fields: object) -> Series:
    y = np.random.default_rng(0).normal(size=length)
    values: dict[str, object] = {"x": np.arange(length), "y": y, "colour": "#0077bb"}
    return Series(**(values | fields))  # type: ignore[arg-type]


def test_a_line_that_a_screen_can_show_is_left_alone() -> None:
    line = make_line(MOST_POINTS)
    assert thinned(line) is line
    assert thinning_note(MOST_POINTS) == ""


def test_a_long_line_keeps_its_ends_and_the_extremes_of_every_few_points() -> None:
    """900 points, six to a pair: every kept point is one of the line, every extreme is there."""
    line = make_line(900)
    few = thinned(line)
    assert len(few.x) <= MOST_POINTS + 2
    assert {0, 899} <= set(few.x)
    assert (few.y == line.y[few.x]).all()
    assert (np.diff(few.x) > 0).all()
    for start in range(0, 900, 6):
        inside = few.y[(few.x >= start) & (few.x < start + 6)]
        part = line.y[start : start + 6]
        assert {part.min(), part.max()} <= set(inside)
    assert thinning_note(900) == "Drawn are the highest and the lowest of every 6 rounds."


def test_what_belongs_to_a_point_stays_with_it() -> None:
    texts = tuple(str(i) for i in range(601))
    line = make_line(601, low=np.arange(601.0), high=np.arange(601.0) + 1, hover=texts)
    few = thinned(line)
    assert few.low is not None
    assert few.high is not None
    assert few.hover == tuple(str(x) for x in few.x)
    assert (few.low == few.x).all()
    assert (few.high == few.x + 1).all()


def test_a_gap_stays_a_gap() -> None:
    y = np.ones(1200)
    y[100:140] = np.nan
    y[700] = np.inf
    few = thinned(make_line(1200, y=y))
    assert np.isnan(few.y[(few.x >= 100) & (few.x < 140)]).all()
    assert 700 in few.x


def test_lines_drawn_alike_share_the_points_and_each_keeps_its_own_ends() -> None:
    """Three lines of 900 points: 100 each, of every 18 the highest and the lowest."""
    line = make_line(
        2700, x=np.tile(np.arange(900), 3), strands=np.repeat([4, 5, 9], 900), strand_name="seed"
    )
    few = thinned(line)
    assert few.strands is not None
    for strand in (4, 5, 9):
        mine = few.strands == strand
        assert 50 <= mine.sum() <= 102
        assert few.x[mine][[0, -1]].tolist() == [0, 899]
        part = line.y[line.strands == strand]
        assert {part.min(), part.max()} <= set(few.y[mine])
    assert thinning_note(900, 3) == (
        "Drawn are the highest and the lowest of every 6 rounds, of a thin line of every 18."
    )
    assert thinning_note(300, 3).endswith("of every 6 rounds of a thin line.")
    assert thinning_note(100, 3) == ""


def test_points_without_a_line_are_all_drawn() -> None:
    points = make_line(5000, dash="none", marker="circle")
    assert thinned(points) is points


def test_an_interactive_figure_does_not_grow_with_its_lines() -> None:
    sizes = []
    for length in (1000, 50_000):
        panel = Panel(title="t", x=Axis(), y=Axis(), series=(make_line(length),))
        sizes.append(len(plotly_figure(FigureSpec.of(panel)).to_json()))
    assert sizes[1] < 1.3 * sizes[0]
