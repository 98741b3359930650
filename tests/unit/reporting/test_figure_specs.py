"""Figures described once: what a spec refuses, and how much room its legend takes."""

import numpy as np
import pytest

from pmd_pipeline.reporting.drawing.spec import (
    Axis,
    Bars,
    FigureSpec,
    Panel,
    Series,
    legend_shape,
    message,
)
from pmd_pipeline.reporting.drawing.styles import GREY, SCALE, ordered_colours, scale_colour


def make_series(label: str | None = "a", **fields: object) -> Series:
    values: dict[str, object] = {"x": np.arange(3), "y": np.ones(3), "colour": "#0077bb"}
    return Series(label=label, **(values | fields))  # type: ignore[arg-type]


def make_figure(*labels: str, inches: float = 4.0, **fields: object) -> FigureSpec:
    panel = Panel(title="t", x=Axis(), y=Axis(), series=tuple(map(make_series, labels)))
    values: dict[str, object] = {"panels": (panel,), "panel_inches": (inches, 3.0)}
    return FigureSpec(name="f", title="", **(values | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("part", ["x", "y", "low", "high"])
def test_parts_of_a_series_are_of_one_length(part: str) -> None:
    with pytest.raises(ValueError, match=rf"series 'a': its parts differ in length: .*'{part}': 2"):
        make_series(**{part: np.ones(2)})


def test_texts_of_points_are_as_many_as_the_points_or_none() -> None:
    assert make_series(hover=()).hover == ()
    assert make_series(hover=("1", "2", "3")).hover == ("1", "2", "3")
    with pytest.raises(ValueError, match="'hover': 1"):
        make_series(hover=("1",))


def test_a_figure_without_panels_is_refused() -> None:
    with pytest.raises(ValueError, match="figure 'f' has no panel; leave it out"):
        make_figure(panels=())


def test_panels_fill_rows_and_a_lone_one_has_no_empty_neighbours() -> None:
    panel = make_figure("a").panels[0]
    assert [
        (figure.num_rows, figure.num_columns)
        for number in (1, 2, 3, 4, 7)
        for figure in [make_figure(panels=(panel,) * number)]
    ] == [(1, 1), (1, 2), (1, 3), (2, 3), (3, 3)]


def test_a_label_stands_in_the_legend_once_whatever_bears_it() -> None:
    bars = Bars(names=("x",), lengths=np.ones(1), colour="#000000", label="bars", hover=("x",))
    first = Panel(title="", x=Axis(), y=Axis(), series=(make_series("a"), make_series(None)))
    second = Panel(title="", x=Axis(), y=Axis(), series=(make_series("a"),), bars=(bars,))
    assert list(make_figure(panels=(first, second)).legend) == ["a", "bars"]


def test_a_legend_takes_one_row_where_it_fits_and_as_few_as_it_can_elsewhere() -> None:
    """Five labels of ten characters need 8.25 inches, each pair of them 3.3."""
    labels = [f"label_{i:04d}" for i in range(5)]
    shapes = [legend_shape(make_figure(*labels, inches=width)) for width in (8.3, 8.2, 4.0, 1.0)]
    assert shapes == [(5, 1), (3, 2), (2, 3), (1, 5)]
    assert legend_shape(make_figure()) == (0, 0)


def test_the_scale_goes_through_its_colours_and_stops_at_its_ends() -> None:
    """Ten colours, nine steps; halfway between #440154 and #482878 is #461466."""
    assert [scale_colour(i / 9) for i in range(10)] == list(SCALE)
    assert scale_colour(0.5 / 9) == "#461466"
    assert (scale_colour(-1.0), scale_colour(2.0)) == (SCALE[0], SCALE[-1])
    assert scale_colour(float("nan")) == GREY


def test_ordered_things_have_distinct_colours_from_dark_to_light() -> None:
    colours = ordered_colours(8)
    brightness = [sum(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in colours]
    assert len(set(colours)) == 8
    assert brightness == sorted(brightness)


def test_a_message_is_a_figure_of_words_alone() -> None:
    (panel,) = message("empty", "nothing to show", title="Empty").panels
    assert (panel.name, panel.title, panel.has_axes) == ("empty", "Empty", False)
    assert [text.text for text in panel.texts] == ["nothing to show"]
