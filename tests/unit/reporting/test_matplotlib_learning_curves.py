"""Still figures."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pmd_pipeline.reporting.curves.panels import learning_curve_grid, learning_curve_panels
from pmd_pipeline.reporting.drawing.matplotlib_renderer import matplotlib_figure
from pmd_pipeline.reporting.drawing.spec import FigureSpec, Panel
from pmd_pipeline.reporting.run_page.stage_times import stage_time_figure


@pytest.fixture
def panels(round_metrics: pd.DataFrame, comparison: pd.DataFrame) -> dict[str, Panel]:
    return {panel.name: panel for panel in learning_curve_panels(round_metrics, comparison)}


def of_panel(panel: Panel) -> Figure:
    return matplotlib_figure(FigureSpec.of(panel))


def of_all(panels: dict[str, Panel]) -> Figure:
    return matplotlib_figure(
        learning_curve_grid(list(panels.values()), name="all", title="Learning curves")
    )


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()
    return figure


def test_a_figure_has_one_line_per_algorithm_with_its_data(panels: dict[str, Panel]) -> None:
    """Labels, rounds, values and colours are those of the panel."""
    panel = panels["entropy"]
    lines = of_panel(panel).axes[0].get_lines()
    assert [line.get_label() for line in lines] == [series.label for series in panel.series]
    for line, series in zip(lines, panel.series, strict=True):
        assert np.asarray(line.get_xdata()).tolist() == series.x.tolist()
        assert np.asarray(line.get_ydata()).tolist() == series.y.tolist()
        assert line.get_color() == series.colour


def test_a_logarithmic_axis_keeps_the_values_and_labels_them(panels: dict[str, Panel]) -> None:
    """Lines hold log-ratios in nats; ticks are decades."""
    panel = panels["log_ratio_min"]
    axes = drawn(of_panel(panel)).axes[0]
    assert np.asarray(axes.get_lines()[1].get_ydata()).tolist() == panel.series[1].y.tolist()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["−100", "−10", "−1", "0"]
    assert axes.get_ylim() == pytest.approx(panel.y.range, rel=1e-12)


def test_the_legend_covers_no_axes(panels: dict[str, Panel]) -> None:
    """Legend and axes have no point in common, in a panel as in the grid."""
    for figure in (
        of_panel(panels["kl"]),
        of_all(panels),
    ):
        legend = drawn(figure).legends[0].get_window_extent()
        for axes in figure.axes:
            assert legend.y1 <= axes.get_tightbbox().y0


def test_nothing_is_cut_off_and_no_panels_overlap(panels: dict[str, Panel]) -> None:
    """Legend and axes with all their texts lie inside the figure and beside one another."""
    figure = drawn(of_all(panels))
    page = figure.bbox
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    for box in [*boxes, figure.legends[0].get_window_extent()]:
        assert page.x0 <= box.x0
        assert box.x1 <= page.x1
        assert page.y0 <= box.y0
        assert box.y1 <= page.y1
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[i + 1 :])


def test_panels_are_of_one_size_and_stay_where_they_are(panels: dict[str, Panel]) -> None:
    """In a grid with an empty cell too; a second drawing, of other dots per inch, moves nothing."""
    five = list(panels.values())[2:7]
    figure = drawn(matplotlib_figure(learning_curve_grid(five, name="five", title="Five")))
    places = [axes.get_position().bounds for axes in figure.axes]
    np.testing.assert_allclose([place[2:] for place in places], [places[0][2:]] * 6, rtol=1e-12)
    label = figure.axes[0].yaxis.label.get_window_extent().x1 / figure.dpi
    figure.set_dpi(72)
    drawn(figure)
    assert [axes.get_position().bounds for axes in figure.axes] == places
    again = figure.axes[0].yaxis.label.get_window_extent().x1 / figure.dpi
    assert again == pytest.approx(label, abs=0.02)


def test_rounds_are_whole_numbers_on_the_axis(panels: dict[str, Panel]) -> None:
    """There is no round 2.5."""
    axes = drawn(of_panel(panels["mean_reward"])).axes[0]
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_figures_leave_no_trace_in_pyplot(panels: dict[str, Panel]) -> None:
    """Figures are values: nothing global holds or shows them."""
    before = plt.get_fignums()
    of_all(panels)
    assert plt.get_fignums() == before


def test_the_same_panel_gives_the_same_picture(panels: dict[str, Panel]) -> None:
    """Two drawings have the same bytes."""
    pictures = []
    for _ in range(2):
        buffer = io.BytesIO()
        of_panel(panels["kl"]).savefig(buffer, format="png")
        pictures.append(buffer.getvalue())
    assert pictures[0] == pictures[1]


def test_stage_bars_have_their_totals_beside_them(stage_times: pd.DataFrame) -> None:
    """Each stage's time is written out, first stage on top."""
    axes = drawn(matplotlib_figure(stage_time_figure(stage_times))).axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert texts[:3] == ["1.2 s", "44 s", "21 s"]
    assert texts[-1] == "9.0 s"
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    page = axes.figure.bbox
    assert all(text.get_window_extent().x1 <= page.x1 for text in axes.texts)
