"""Interactive figures."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from helpers import as_plotly_reads

from pmd_pipeline.reporting.curves.panels import learning_curve_grid, learning_curve_panels
from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.reporting.drawing.scales import SymlogScale
from pmd_pipeline.reporting.drawing.spec import FigureSpec, Panel
from pmd_pipeline.reporting.run_page.stage_times import stage_time_figure


@pytest.fixture
def panels(round_metrics: pd.DataFrame, comparison: pd.DataFrame) -> dict[str, Panel]:
    return {panel.name: panel for panel in learning_curve_panels(round_metrics, comparison)}


def of_panel(panel: Panel) -> go.Figure:
    return as_plotly_reads(plotly_figure(FigureSpec.of(panel)))


def lines(figure: go.Figure) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.fill is None]


def test_a_figure_has_one_line_per_algorithm_with_its_data(panels: dict[str, Panel]) -> None:
    """Names, rounds and values are those of the panel."""
    panel = panels["entropy"]
    drawn = lines(of_panel(panel))
    assert [trace.name for trace in drawn] == [series.label for series in panel.series]
    for trace, series in zip(drawn, panel.series, strict=True):
        assert list(trace.x) == series.x.tolist()
        assert trace.y == pytest.approx(series.y, rel=1e-5)
        assert trace.line.color == series.colour


def test_a_band_goes_up_along_the_high_end_and_back_along_the_low_one(
    panels: dict[str, Panel],
) -> None:
    """The interval is one closed outline that shares its line's legend entry."""
    panel = panels["avg_at_k_add3"]
    band = next(trace for trace in of_panel(panel).data if trace.fill == "toself")
    series = panel.series[0]
    assert series.low is not None
    assert series.high is not None
    assert list(band.x) == [0, 2, 4, 6, 6, 4, 2, 0]
    assert band.y == pytest.approx([*series.high, *series.low[::-1]], rel=1e-5)
    assert band.legendgroup == series.label
    assert band.showlegend is False


def test_on_a_logarithmic_axis_the_reader_sees_values(panels: dict[str, Panel]) -> None:
    """Positions are transformed; ticks and hover texts are not."""
    panel = panels["log_ratio_min"]
    scale = panel.y.scale
    assert isinstance(scale, SymlogScale)
    figure = of_panel(panel)
    trace, series = lines(figure)[1], panel.series[1]
    np.testing.assert_allclose(scale.inverse(np.array(trace.y)), series.y, rtol=1e-4)
    assert trace.customdata[-1] == f"{series.y[-1]:.4g}".replace("-", "−")
    assert figure.layout.yaxis.ticktext == ("−100", "−10", "−1", "0")
    np.testing.assert_allclose(
        scale.inverse(np.array(figure.layout.yaxis.tickvals)), [-100, -10, -1, 0], atol=1e-12
    )


def test_the_grid_has_every_panel_and_each_algorithm_once_in_its_legend(
    panels: dict[str, Panel],
) -> None:
    """Nine panels of five lines, five legend entries."""
    grid = learning_curve_grid(list(panels.values()), name="all", title="Learning curves")
    figure = as_plotly_reads(plotly_figure(grid))
    assert len(lines(figure)) == 45
    entries = [trace.name for trace in figure.data if trace.showlegend]
    assert entries == ["pmd_mean", "pmd_part", "grpo", "gspo", "on_policy_gradient"]
    titles = [note.text for note in figure.layout.annotations]
    assert titles == [panel.title for panel in panels.values()]


def test_a_single_panel_fills_the_grid(panels: dict[str, Panel]) -> None:
    """One evaluation set does not leave two empty columns."""
    grid = learning_curve_grid([panels["avg_at_k_add3"]], name="avg_at_k", title="avg@k")
    figure = as_plotly_reads(plotly_figure(grid))
    assert figure.layout.xaxis.domain == (0.0, 1.0)


def test_markers_are_left_out_where_they_would_hide_the_line(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """Six rounds have markers, 60 do not."""
    one = round_metrics[round_metrics["algorithm"] == "grpo"]
    many = pd.concat([one.assign(round=one["round"] + 6 * i) for i in range(10)])
    for table, mode in ((one, "lines+markers"), (many, "lines")):
        figure = of_panel(learning_curve_panels(table, comparison)[0])
        assert next(trace for trace in figure.data if trace.name == "grpo").mode == mode


def test_the_legend_lies_below_the_axes(panels: dict[str, Panel]) -> None:
    """It covers no line, whatever the figure's size."""
    legend = of_panel(panels["kl"]).layout.legend
    assert (legend.yref, legend.y, legend.yanchor) == ("container", 0, "bottom")


def test_a_figure_survives_a_round_trip_through_json(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """The catalog stores figures as JSON; what was not measured comes back as a gap."""
    table = round_metrics.copy()
    table.loc[table["round"] == 2, "entropy"] = np.nan
    panel = next(p for p in learning_curve_panels(table, comparison) if p.name == "entropy")
    figure = plotly_figure(FigureSpec.of(panel))
    again = InteractiveFigure.from_json(figure.to_json())
    assert again.data[0]["y"][1] is None
    assert again == figure


def test_stage_times_are_stacked_by_kind_in_the_order_of_the_stages(
    stage_times: pd.DataFrame,
) -> None:
    """Bars add up to the seconds of the table, first stage on top."""
    figure = as_plotly_reads(plotly_figure(stage_time_figure(stage_times)))
    assert [trace.name for trace in figure.data] == [
        "sampling",
        "grading",
        "updating",
        "whole stage",
    ]
    assert list(figure.data[0].y) == list(stage_times["stage"].unique())
    sampling = dict(zip(figure.data[0].y, figure.data[0].x, strict=True))
    assert sampling["training grpo"] == pytest.approx(6 * 1.2, rel=1e-5)
    assert sum(sum(trace.x) for trace in figure.data) == pytest.approx(
        stage_times["seconds"].sum(), rel=1e-5
    )
    assert figure.layout.yaxis.autorange == "reversed"
