"""Learning curves as data."""

import numpy as np
import pandas as pd
import pytest

from pmd_pipeline.metrics.comparison import build_comparison
from pmd_pipeline.reporting.curves.panels import alt_text, learning_curve_panels
from pmd_pipeline.reporting.drawing.scales import SymlogScale
from pmd_pipeline.reporting.drawing.spec import Panel

ALGORITHMS = ["pmd_mean", "pmd_part", "grpo", "gspo", "on_policy_gradient"]


def panel_named(name: str, panels: tuple[Panel, ...]) -> Panel:
    return next(panel for panel in panels if panel.name == name)


def test_panels_are_in_reading_order(round_metrics: pd.DataFrame, comparison: pd.DataFrame) -> None:
    """Reward first, then every evaluation set, then how the policy moves."""
    panels = learning_curve_panels(round_metrics, comparison)
    assert [panel.name for panel in panels] == [
        "mean_reward",
        "avg_at_k_add3",
        "avg_at_k_carries",
        "mean_avg_at_k",
        "entropy",
        "mean_response_tokens",
        "log_ratio_min",
        "kl",
        "gradient_norm",
    ]


def test_every_panel_has_one_line_per_algorithm_in_the_order_of_the_comparison(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """Also when round_metrics has another order."""
    for panel in learning_curve_panels(round_metrics[::-1], comparison):
        assert [series.label for series in panel.series] == ALGORITHMS


def test_an_algorithm_looks_the_same_in_every_panel(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """Styles do not depend on the panel."""
    panels = learning_curve_panels(round_metrics, comparison)
    looks = {
        tuple((series.colour, series.dash, series.marker) for series in panel.series)
        for panel in panels
    }
    assert len(looks) == 1


def test_a_round_curve_holds_the_columns_values_by_round(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """Rounds 1 to 6 and the values of the table, whatever the order of its rows."""
    panel = panel_named("entropy", learning_curve_panels(round_metrics[::-1], comparison))
    grpo = panel.series[2]
    expected = round_metrics.loc[round_metrics["algorithm"] == "grpo", "entropy"]
    assert grpo.x.tolist() == [1, 2, 3, 4, 5, 6]
    assert grpo.y.tolist() == expected.tolist()


def test_an_evaluation_curve_starts_with_the_initial_policy_and_has_its_interval(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """Round 0 is the initial policy's 0.46, its interval 0.06 to either side."""
    panel = panel_named("avg_at_k_add3", learning_curve_panels(round_metrics, comparison))
    series = panel.series[0]
    assert panel.title == "avg@4 on add3"
    assert series.x.tolist() == [0, 2, 4, 6]
    np.testing.assert_allclose(series.y, [0.46, 0.60, 0.74, 0.88], rtol=1e-12)
    assert series.low is not None
    np.testing.assert_allclose(series.low, series.y - 0.06, rtol=1e-12)


def test_the_mean_over_sets_counts_each_set_once(round_metrics: pd.DataFrame) -> None:
    """The mean of 0.2 and 0.6 is 0.4."""
    columns = ["eval_set", "metric", "k", "value", "ci_low", "ci_high"]
    metrics = pd.DataFrame(
        [("a", "avg_at_k", 4, 0.2, 0.1, 0.3), ("b", "avg_at_k", 4, 0.6, 0.5, 0.7)], columns=columns
    )
    comparison = build_comparison(metrics, {"grpo": {1: metrics}})
    panel = panel_named("mean_avg_at_k", learning_curve_panels(round_metrics, comparison))
    np.testing.assert_allclose(panel.series[0].y, [0.4, 0.4], rtol=1e-12)


def test_one_set_needs_no_mean_over_sets(round_metrics: pd.DataFrame) -> None:
    """The panel would repeat the only set's."""
    columns = ["eval_set", "metric", "k", "value", "ci_low", "ci_high"]
    metrics = pd.DataFrame([("a", "avg_at_k", 4, 0.2, 0.1, 0.3)], columns=columns)
    panels = learning_curve_panels(round_metrics, build_comparison(metrics, {"grpo": {1: metrics}}))
    assert "mean_avg_at_k" not in [panel.name for panel in panels]


def test_an_axis_is_logarithmic_only_where_the_data_spread_widely(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """Log-ratios near -5 need no logarithm; one of -1000 among them does."""
    calm = round_metrics.assign(log_ratio_min=-5.0)
    wild = calm.copy()
    wild.loc[3, "log_ratio_min"] = -1000.0
    panel = panel_named("log_ratio_min", learning_curve_panels(calm, comparison))
    assert panel.y.scale == "linear"
    panel = panel_named("log_ratio_min", learning_curve_panels(wild, comparison))
    assert panel.y.scale == SymlogScale(linear_width=1.0)
    assert panel.y.label == "nats, log scale"
    assert panel.y.range is not None
    assert panel.y.range[0] < -1000
    assert panel.y.range[1] > 0


def test_the_range_shows_every_value_and_the_whole_interval(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """Nothing drawn lies outside the axes."""
    for panel in learning_curve_panels(round_metrics, comparison):
        assert panel.y.range is not None
        low, high = panel.y.range
        for series in panel.series:
            for values in (series.y, series.low, series.high):
                assert values is None or (low < values.min() and values.max() < high)


def test_what_was_not_measured_is_a_gap(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """NaN and infinite values are NaN in the curve; the others stay."""
    table = round_metrics.copy()
    table.loc[table["round"] == 2, "kl"] = np.nan
    table.loc[table["round"] == 3, "kl"] = np.inf
    series = panel_named("kl", learning_curve_panels(table, comparison)).series[0]
    assert np.isnan(series.y).tolist() == [False, True, True, False, False, False]


def test_a_panel_without_any_value_still_has_axes(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """A quantity that no algorithm has gives an empty panel, not an error."""
    table = round_metrics.assign(mean_reward=np.nan)
    panel = panel_named("mean_reward", learning_curve_panels(table, comparison))
    assert panel.y.range == (0.0, 1.0)


def test_smoothing_is_the_mean_of_the_rounds_up_to_each(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """Rewards 1 to 6 over windows of three: 1, 1.5, 2, 3, 4, 5."""
    table = round_metrics.assign(mean_reward=round_metrics["round"].astype(float))
    panels = learning_curve_panels(table, comparison, smoothing_rounds=3)
    panel = panel_named("mean_reward", panels)
    np.testing.assert_allclose(panel.series[0].y, [1, 1.5, 2, 3, 4, 5], rtol=1e-12)
    assert "Mean of the 3 rounds up to each" in panel.meaning


def test_the_smallest_log_ratio_is_never_smoothed(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """A mean would hide the very extremes that the curve is about."""
    plain, smooth = (
        panel_named(
            "log_ratio_min",
            learning_curve_panels(round_metrics, comparison, smoothing_rounds=rounds),
        )
        for rounds in (1, 5)
    )
    assert plain.series[1].y.tolist() == smooth.series[1].y.tolist()


def test_alt_text_gives_first_and_last_values(
    round_metrics: pd.DataFrame, comparison: pd.DataFrame
) -> None:
    """A reader who does not see the figure learns where each line and its band end."""
    panel = panel_named("avg_at_k_add3", learning_curve_panels(round_metrics, comparison))
    text = alt_text(panel)
    assert text.startswith(
        "avg@4 on add3 by round. pmd_mean: 0.46 at round 0, 0.88 at round 6, "
        "band from 0.82 to 0.94; "
    )


def test_a_missing_column_is_named(round_metrics: pd.DataFrame, comparison: pd.DataFrame) -> None:
    """The error says which column round_metrics lacks."""
    with pytest.raises(ValueError, match=r"round_metrics lacks columns \['entropy'\]"):
        learning_curve_panels(round_metrics.drop(columns="entropy"), comparison)
