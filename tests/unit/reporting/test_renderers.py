"""Both renderers draw whatever a spec says."""

from collections.abc import Callable
from itertools import pairwise
from typing import get_args

import numpy as np
import plotly.graph_objects as go
import pytest
from helpers import as_plotly_reads
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba

from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.drawing.matplotlib_renderer import matplotlib_figure
from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.reporting.drawing.scales import SymlogScale
from pmd_pipeline.reporting.drawing.spec import (
    Axis,
    ColourBar,
    Dash,
    FigureSpec,
    Level,
    Marker,
    Panel,
    Series,
    Text,
    message,
)
from pmd_pipeline.reporting.drawing.styles import BAND_OPACITY, SCALE


def make_panel(*series: Series, **fields: object) -> Panel:
    values: dict[str, object] = {"title": "t", "x": Axis(label="x"), "y": Axis(label="y")}
    return Panel(series=series, **(values | fields))  # type: ignore[arg-type]


def make_series(**fields: object) -> Series:
    values: dict[str, object] = {"x": np.arange(4.0), "y": np.arange(4.0) + 1, "colour": "#0077bb"}
    return Series(**(values | fields))  # type: ignore[arg-type]


def plotly_of(panel: Panel) -> go.Figure:
    return as_plotly_reads(plotly_figure(FigureSpec.of(panel)))


def axes_of(panel: Panel) -> Axes:
    figure = matplotlib_figure(FigureSpec.of(panel))
    FigureCanvasAgg(figure).draw()
    return figure.axes[0]


def picture_of(panel: Panel) -> bytes:
    canvas = FigureCanvasAgg(matplotlib_figure(FigureSpec.of(panel)))
    canvas.draw()
    return bytes(canvas.buffer_rgba())


def test_every_dash_and_every_marker_is_drawn_and_looks_like_no_other() -> None:
    """In either library; ``none`` is none."""
    dashes = [make_series(dash=dash) for dash in get_args(Dash) if dash != "none"]
    markers = [
        make_series(dash="none", marker=marker) for marker in get_args(Marker) if marker != "none"
    ]
    panel = make_panel(*dashes, *markers)
    traces = plotly_of(panel).data
    assert len({trace.line.dash for trace in traces[: len(dashes)]}) == len(dashes)
    assert len({trace.marker.symbol for trace in traces[len(dashes) :]}) == len(markers)
    assert {trace.mode for trace in traces[: len(dashes)]} == {"lines"}
    assert {trace.mode for trace in traces[len(dashes) :]} == {"markers"}
    pictures = {picture_of(make_panel(series)) for series in (*dashes, *markers)}
    assert len(pictures) == len(dashes) + len(markers)


def test_a_step_keeps_its_value_until_the_next_point() -> None:
    panel = make_panel(make_series(is_step=True))
    assert plotly_of(panel).data[0].line.shape == "hv"
    assert axes_of(panel).get_lines()[0].get_drawstyle() == "steps-post"


def test_a_hollow_marker_has_no_filling() -> None:
    panel = make_panel(make_series(dash="none", marker="circle", is_hollow=True))
    assert plotly_of(panel).data[0].marker.symbol == "circle-open"
    assert axes_of(panel).get_lines()[0].get_markerfacecolor() == "none"


def test_a_band_is_as_opaque_in_both() -> None:
    panel = make_panel(make_series(low=np.zeros(4), high=np.full(4, 9.0)))
    band = next(trace for trace in plotly_of(panel).data if trace.fill)
    assert band.fillcolor == f"rgba(0,119,187,{BAND_OPACITY})"
    (drawn,) = axes_of(panel).collections
    assert tuple(drawn.get_facecolor()[0]) == pytest.approx(to_rgba("#0077bb", BAND_OPACITY))


def test_a_level_runs_over_the_whole_width_and_is_named_where_no_curve_is() -> None:
    """In the legend, once for both panels; nothing is written into the panels."""
    panel = make_panel(make_series(), levels=(Level(y=2.5, text="before"),))
    spec = FigureSpec(name="f", title="", panels=(panel, panel))
    figure = as_plotly_reads(plotly_figure(spec))
    assert [(shape.y0, shape.name) for shape in figure.layout.shapes] == [(2.5, "before")] * 2
    assert [shape.showlegend for shape in figure.layout.shapes] == [True, False]
    assert not figure.layout.annotations
    drawn = matplotlib_figure(spec)
    assert list(drawn.axes[0].get_lines()[-1].get_ydata()) == [2.5, 2.5]
    assert not drawn.axes[0].texts
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["before"]


def test_texts_stand_where_they_are_put() -> None:
    panel = make_panel(make_series(), texts=(Text(x=1.0, y=2.0, text="here", align="right"),))
    (note,) = plotly_of(panel).layout.annotations
    assert (note.text, note.x, note.y, note.xanchor) == ("here", 1.0, 2.0, "right")
    (text,) = axes_of(panel).texts
    assert (text.get_text(), text.xy, text.get_ha()) == ("here", (1.0, 2.0), "right")


def test_a_colour_bar_names_the_places_of_the_scale() -> None:
    bar = ColourBar(title="tau", ticks=((0.0, "0.1"), (1.0, "10")))
    panel = make_panel(make_series(), colour_bar=bar)
    marker = plotly_of(panel).data[-1].marker
    assert marker.colorbar.title.text == "tau"
    assert marker.colorbar.ticktext == ("0.1", "10")
    assert [colour for _, colour in marker.colorscale] == list(SCALE)
    figure = matplotlib_figure(FigureSpec.of(panel))
    FigureCanvasAgg(figure).draw()
    (drawn,) = figure.axes[0].child_axes
    assert [label.get_text() for label in drawn.get_yticklabels()] == ["0.1", "10"]
    assert drawn.get_ylabel() == "tau"


def test_a_logarithmic_axis_keeps_its_range() -> None:
    """Plotly counts in powers of ten, matplotlib in values."""
    panel = make_panel(make_series(), y=Axis(scale="log", range=(0.1, 1000.0)))
    figure = plotly_of(panel)
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.yaxis.range == pytest.approx((-1.0, 3.0))
    assert axes_of(panel).get_ylim() == pytest.approx((0.1, 1000.0))


def test_a_short_logarithmic_axis_has_plain_numbers_far_enough_apart() -> None:
    """Within two decades 1, 2 and 5; decades alone over more. No two labels touch."""
    short = make_panel(make_series(y=np.array([0.012, 0.1, 0.3, 0.8])), y=Axis(scale="log"))
    long = make_panel(make_series(y=np.array([1e-6, 0.1, 0.3, 0.8])), y=Axis(scale="log"))
    assert plotly_of(short).layout.yaxis.ticktext[-5:] == ("0.05", "0.1", "0.2", "0.5", "1")
    powers = [f"10<sup>−{power}</sup>" for power in (6, 5, 4, 3, 2, 1)]
    assert list(plotly_of(long).layout.yaxis.ticktext) == [*powers, "1"]
    for panel in (short, long):
        axes = axes_of(panel)
        labels = [*axes.get_yticklabels(), *axes.get_yticklabels(minor=True)]
        low, high = axes.bbox.y0, axes.bbox.y1
        boxes = [label.get_window_extent() for label in labels if label.get_text()]
        shown = sorted((b for b in boxes if low <= (b.y0 + b.y1) / 2 <= high), key=lambda b: b.y0)
        assert len(shown) >= 5
        assert all(below.y1 < above.y0 for below, above in pairwise(shown))


@pytest.mark.parametrize(("last", "step"), [(3, 1), (10, 1), (11, 2), (24, 5), (480, 50)])
def test_counts_are_marked_at_whole_numbers_alone(last: int, step: int) -> None:
    """However far a reader zooms in."""
    series = make_series(x=np.array([0, 1, 1, last]))
    axis = plotly_of(make_panel(series, x=Axis(label="trial", is_integer=True))).layout.xaxis
    assert (axis.tick0, axis.dtick) == (0, step)


def test_titles_of_panels_stay_above_their_own() -> None:
    """Long ones are folded, and at most two panels of a preview stand side by side."""
    long = "Best reward minus expected reward, of a round"
    panels = tuple(make_panel(make_series(), title=long) for _ in range(3))
    layout = plotly_figure(FigureSpec(name="f", title="F", panels=panels)).layout
    titles = layout["annotations"]
    assert [title["xref"] for title in titles] == ["x domain", "x2 domain", "x3 domain"]
    assert all(len(line) <= 24 for line in titles[0]["text"].split("<br>"))
    assert titles[0]["text"].replace("<br>", " ") == long
    assert layout["xaxis"]["domain"] == layout["xaxis3"]["domain"]
    assert layout["meta"]["columns"] == 3


def test_a_scale_of_ours_without_a_range_shows_all_the_data() -> None:
    scale = SymlogScale(linear_width=1.0)
    panel = make_panel(make_series(y=np.array([-99.0, 0.0, 9.0, 999.0])), y=Axis(scale=scale))
    low, high = plotly_of(panel).layout.yaxis.range
    assert (low, high) == pytest.approx((-2.0, 3.0))
    ends = axes_of(panel).get_ylim()
    assert ends[0] <= -99.0
    assert ends[1] >= 999.0


def test_pointing_at_a_point_says_label_place_value_and_interval() -> None:
    series = make_series(label="grpo", low=np.arange(4.0) / 10, high=np.full(4, 0.75))
    trace = plotly_of(make_panel(series)).data[-1]
    assert trace.hovertemplate.startswith("grpo, x %{x:.4~g}: %{customdata}<")
    assert trace.customdata[1] == "2 [0.1, 0.75]"


def test_pointing_at_a_point_says_what_the_series_says_or_nothing() -> None:
    own = make_series(hover=("a\nb", "c", "d", "e"))
    mute = make_series(hover=())
    first, second = plotly_of(make_panel(own, mute)).data
    assert first.text[0] == "a<br>b"
    assert second.hoverinfo == "skip"


def test_lines_drawn_alike_are_broken_between_each_other() -> None:
    """In either library, and pointing at a point says of which line it is."""
    strands = np.array([3, 3, 7, 7])
    series = make_series(strands=strands, strand_name="seed", name="grpo", group="grpo")
    trace = plotly_of(make_panel(series)).data[0]
    assert trace.y == (1, 2, None, 3, 4)
    assert trace.customdata == (3, 3, None, 7, 7)
    assert trace.hovertemplate.startswith("grpo, seed %{customdata}, x %{x:.4~g}: %{y:.4~g}<")
    assert (trace.legendgroup, trace.showlegend) == ("grpo", False)
    (line,) = axes_of(make_panel(series)).get_lines()
    assert np.isnan(line.get_ydata()).tolist() == [False, False, True, False, False]


def test_on_a_scale_of_ours_pointing_at_one_of_several_lines_says_its_value() -> None:
    series = make_series(strands=np.array([3, 3, 7, 7]), strand_name="seed", name="grpo")
    panel = make_panel(series, y=Axis(scale=SymlogScale(linear_width=1.0)))
    trace = plotly_of(panel).data[0]
    assert "seed %{customdata[0]}, x %{x:.4~g}: %{customdata[1]}<" in trace.hovertemplate
    assert list(trace.customdata[3]) == [7, "3"]


def test_a_gap_in_a_line_is_one_in_its_band() -> None:
    """An outline on either side; no filling claims to know what lies between."""
    y = np.array([1.0, 2.0, np.nan, 4.0])
    band = plotly_of(make_panel(make_series(y=y, low=y - 1, high=y + 1))).data[0]
    assert band.x == (0, 1, 1, 0, None, 3, 3)
    assert band.y == (2, 3, 1, 0, None, 5, 3)


@pytest.mark.parametrize("draw", [plotly_figure, matplotlib_figure])
def test_a_figure_of_words_needs_no_data(draw: Callable[[FigureSpec], object]) -> None:
    drawn = draw(message("empty", "nothing to show"))
    if isinstance(drawn, InteractiveFigure):
        drawn = as_plotly_reads(drawn)
        assert [note.text for note in drawn.layout.annotations] == ["nothing to show"]
        assert drawn.layout.xaxis.visible is False
    else:
        (axes,) = drawn.axes  # type: ignore[attr-defined]
        assert [text.get_text() for text in axes.texts] == ["nothing to show"]
        assert not axes.axison


def test_ticks_with_names_stand_where_they_are_put_on_both_scales() -> None:
    """On a logarithmic x and a linear y, in both renderers; lines of a name stay lines."""
    sizes = tuple((size, f"n\n{size:g}") for size in (4.0, 8.0, 32.0))
    rows = ((0.0, "first"), (2.0, "second"))
    panel = make_panel(
        make_series(x=np.array([4.0, 8.0, 16.0, 32.0])),
        x=Axis(scale="log", ticks=sizes),
        y=Axis(range=(3.0, -1.0), ticks=rows),
    )
    layout = plotly_of(panel).layout
    assert layout.xaxis.type == "log"
    assert (layout.xaxis.tickvals, layout.xaxis.ticktext[0]) == ((4.0, 8.0, 32.0), "n<br>4")
    assert (layout.yaxis.tickvals, layout.yaxis.ticktext) == ((0.0, 2.0), ("first", "second"))
    axes = axes_of(panel)
    assert axes.get_xticks().tolist() == [4.0, 8.0, 32.0]
    assert [text.get_text() for text in axes.get_xticklabels()] == [name for _, name in sizes]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["first", "second"]
    assert axes.get_ylim() == (3.0, -1.0)
