"""Learning curves of several training seeds, as data."""

import numpy as np
import pandas as pd
import pytest

from pmd_pipeline.reporting.curves.panels import alt_text, learning_curve_panels
from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.reporting.drawing.spec import FigureSpec, Panel, Series

SEEDS = (0, 1, 5)


@pytest.fixture
def of_seeds(round_metrics: pd.DataFrame) -> pd.DataFrame:
    """Three seeds; the mean reward of each is its round times 1, 2 or 6."""
    return pd.concat(
        [
            round_metrics.assign(seed=seed, mean_reward=(seed + 1.0) * round_metrics["round"])
            for seed in SEEDS
        ],
        ignore_index=True,
    )


@pytest.fixture
def comparison_by_seed(comparison: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(
        [comparison.assign(seed=seed, value=comparison["value"] + seed / 100) for seed in SEEDS],
        ignore_index=True,
    )


def panel_named(name: str, panels: tuple[Panel, ...]) -> Panel:
    return next(panel for panel in panels if panel.name == name)


def thin(panel: Panel) -> list[Series]:
    return [series for series in panel.series if series.label is None]


def means(panel: Panel) -> list[Series]:
    return [series for series in panel.series if series.label is not None]


def test_thin_lines_of_seeds_lie_below_the_lines_that_the_legend_names(
    of_seeds: pd.DataFrame, comparison: pd.DataFrame, comparison_by_seed: pd.DataFrame
) -> None:
    """In every panel; each algorithm's have its colour and go with it, and are thin and pale."""
    algorithms = comparison["algorithm"].unique().tolist()
    for panel in learning_curve_panels(of_seeds, comparison, comparison_by_seed):
        assert [series.label for series in panel.series] == [None] * 5 + algorithms
        assert [series.group for series in thin(panel)] == algorithms
        for pale, line in zip(thin(panel), means(panel), strict=True):
            assert pale.colour == line.colour
            assert pale.width < line.width
            assert pale.opacity < line.opacity
            assert pale.marker == "none"


def test_the_line_is_the_mean_of_the_seeds_and_the_band_their_range(
    of_seeds: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """Seeds of 1, 2 and 6 times the round: a mean of 3 times, a band from 1 to 6 times."""
    panel = panel_named("mean_reward", learning_curve_panels(of_seeds[::-1], comparison))
    rounds = np.arange(1.0, 7.0)
    line, seeds = means(panel)[2], thin(panel)[2]
    np.testing.assert_allclose(line.y, 3 * rounds)
    np.testing.assert_allclose(line.low, rounds)
    np.testing.assert_allclose(line.high, 6 * rounds)
    assert seeds.strands is not None
    for seed in SEEDS:
        mine = seeds.strands == seed
        np.testing.assert_allclose(seeds.x[mine], rounds)
        np.testing.assert_allclose(seeds.y[mine], (seed + 1) * rounds)
    assert "mean of 3 seeds" in panel.meaning
    assert "from the least to the greatest" in panel.meaning


def test_one_seed_is_one_line_without_a_band(
    of_seeds: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """And no word about seeds, whatever its number."""
    one = of_seeds[of_seeds["seed"] == 5]
    panel = panel_named("mean_reward", learning_curve_panels(one, comparison))
    assert len(panel.series) == 5
    assert all(series.low is None and series.strands is None for series in panel.series)
    assert "seed" not in panel.meaning
    assert "seed" not in alt_text(panel)


def test_each_seed_is_smoothed_before_the_band_is_taken(
    of_seeds: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """Two seeds that swing against each other have a mean of 0 and, smoothed, no width."""
    swing = (-1.0) ** of_seeds["round"]
    two = of_seeds.assign(mean_reward=swing.where(of_seeds["seed"] == 0, -swing))
    two = two[two["seed"] != 5]
    panel = panel_named("mean_reward", learning_curve_panels(two, comparison, smoothing_rounds=2))
    line = means(panel)[0]
    np.testing.assert_allclose(line.low, [-1, 0, 0, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(line.high, [1, 0, 0, 0, 0, 0], atol=1e-12)


def test_a_round_that_one_seed_lacks_is_a_gap_in_the_mean_and_the_band(
    of_seeds: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """A mean of the others would jump; their thin lines go on."""
    lost = (of_seeds["seed"] == 1) & (of_seeds["round"] == 3)
    table = of_seeds.assign(kl=of_seeds["kl"].mask(lost, np.inf))
    panel = panel_named("kl", learning_curve_panels(table, comparison))
    line = means(panel)[0]
    for values in (line.y, line.low, line.high):
        assert values is not None
        assert np.isnan(values).tolist() == [False, False, True, False, False, False]
    assert np.isnan(thin(panel)[0].y).sum() == 1


def test_of_the_smallest_log_ratio_the_band_shows_the_smallest_of_all(
    of_seeds: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """The line is a mean of minima, and the caption says both."""
    table = of_seeds.assign(log_ratio_min=-10.0 * (of_seeds["seed"] + 1))
    panel = panel_named("log_ratio_min", learning_curve_panels(table, comparison))
    line = means(panel)[0]
    assert line.low is not None
    assert set(line.low) == {-60.0}
    np.testing.assert_allclose(line.y, -30.0)
    assert "the lower edge of the band is the smallest of all seeds" in panel.meaning


def test_an_evaluation_has_the_interval_of_the_comparison_and_a_line_per_seed(
    of_seeds: pd.DataFrame, comparison: pd.DataFrame, comparison_by_seed: pd.DataFrame
) -> None:
    """The band covers seeds and problems, and the caption says so."""
    panels = learning_curve_panels(of_seeds, comparison, comparison_by_seed)
    panel = panel_named("avg_at_k_add3", panels)
    line, seeds = means(panel)[0], thin(panel)[0]
    np.testing.assert_allclose(line.y, [0.46, 0.60, 0.74, 0.88], rtol=1e-12)
    np.testing.assert_allclose(line.low, line.y - 0.06, rtol=1e-12)
    assert seeds.strands is not None
    np.testing.assert_allclose(seeds.y[seeds.strands == 5], line.y + 0.05, rtol=1e-12)
    assert "95 % interval over seeds and problems" in panel.meaning
    whole = panel_named("mean_avg_at_k", panels)
    np.testing.assert_allclose(thin(whole)[0].y, seeds.y, rtol=1e-12)
    assert means(whole)[0].low is None


def test_the_axis_shows_every_seed(
    of_seeds: pd.DataFrame, comparison: pd.DataFrame, comparison_by_seed: pd.DataFrame
) -> None:
    for panel in learning_curve_panels(of_seeds, comparison, comparison_by_seed):
        assert panel.y.range is not None
        for series in thin(panel):
            assert panel.y.range[0] < series.y.min()
            assert series.y.max() < panel.y.range[1]


def test_a_click_on_an_algorithm_hides_its_line_band_and_seeds(
    of_seeds: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """All are of one group of the legend, which has one entry for them."""
    panel = panel_named("kl", learning_curve_panels(of_seeds, comparison))
    traces = plotly_figure(FigureSpec.of(panel)).data
    for algorithm in comparison["algorithm"].unique():
        mine = [trace for trace in traces if trace["legendgroup"] == algorithm]
        assert len(mine) == 3
        assert [trace.get("fill") for trace in mine] == ["toself", None, None]
        assert sum(trace["showlegend"] for trace in mine) == 1
    assert len(traces) == 15


def test_the_words_for_who_cannot_see_the_figure_are_of_the_means(
    of_seeds: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    panel = panel_named("mean_reward", learning_curve_panels(of_seeds, comparison))
    assert alt_text(panel).startswith(
        "Mean reward by round. pmd_mean, mean of 3 seeds: 3 at round 1, 18 at round 6, "
        "band from 6 to 36; "
    )
