"""Tables and figures of the theory stage, from its parameters."""

import numpy as np
import pandas as pd
import pytest
from helpers import as_plotly_reads
from matplotlib.backends.backend_agg import FigureCanvasAgg
from pydantic import ValidationError

from pmd_pipeline.config.theory import LaboratoryConfig, TheoryConfig
from pmd_pipeline.reporting.drawing.matplotlib_renderer import matplotlib_figure
from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.reporting.theory.figures import theory_figures
from pmd_pipeline.reporting.theory.loop_figures import predicted_against_measured, progress
from pmd_pipeline.theory import (
    ComparedRound,
    baseline_moments,
    build_theory_tables,
    compare_round,
    loop_group_table,
    loop_round_table,
    solve_binary,
    solve_pmd_mean,
)
from pmd_pipeline.theory.figure_tables import simplex_table


@pytest.fixture(scope="module")
def tables():
    return build_theory_tables(TheoryConfig(), seed=0)


@pytest.fixture(scope="module")
def figures(tables):
    return theory_figures(tables)


@pytest.fixture(scope="module")
def compared_rounds():
    rates = np.array([0.25, 0.5, 0.75])
    rounds = []
    for number in (1, 2, 3):
        for algorithm, method, tau in (("a", "pmd_mean", 0.5), ("b", "pmd_part", 0.05)):
            exact = solve_binary(rates, tau, method=method)
            comparison = compare_round(
                rates,
                0.2 * number * exact.success_log_ratio,
                0.2 * number * exact.failure_log_ratio,
                tau=tau,
                method=method,
            )
            rounds.append(
                ComparedRound(
                    algorithm=algorithm, method=method, round=number, comparison=comparison
                )
            )
    return rounds


def legend_texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_log_partition_table_lies_between_the_mean_and_the_best_reward(tables):
    """The gap is positive and grows as tau falls."""
    table = tables.log_partition
    assert (table["gap"] > 0).all()
    assert (table["scaled_log_partition"] < 1).all()
    gaps = table.groupby("tau")["gap"].mean()
    assert gaps.is_monotonic_decreasing
    row = table.iloc[100]
    expected = row["tau"] * np.log(row["p"] * np.exp(1 / row["tau"]) + 1 - row["p"])
    assert row["scaled_log_partition"] == pytest.approx(expected)


def test_the_simplex_table_holds_both_solutions_and_their_ends(tables):
    """Rows are policies; the marked ones are the exact solutions at the marked tau."""
    table, config = tables.simplex, TheoryConfig().simplex
    probabilities = table[[f"probability_{i}" for i in (1, 2, 3)]].to_numpy()
    assert probabilities.sum(axis=1) == pytest.approx(1.0)
    marked = table[(table["role"] == "solution") & (table["method"] == "pmd_mean")].iloc[0]
    exact = solve_pmd_mean(config.probs, config.rewards, config.tau)
    assert [marked[f"probability_{i}"] for i in (1, 2, 3)] == pytest.approx(exact.probs)
    limits = table[table["role"] == "small_tau_limit"].set_index("method")
    assert limits.loc["pmd_part", "probability_3"] == 1.0
    assert 0 < limits.loc["pmd_mean", "probability_3"] < 1
    with pytest.raises(ValueError, match="three actions"):
        simplex_table([0.5, 0.5], [1.0, 0.0], [0.1], 0.1)


def test_the_log_ratio_table_shows_pmd_mean_inside_pmd_part(tables):
    """Figure 2's message, at every p and tau."""
    wide = tables.log_ratio.pivot_table(
        index=["tau", "p", "response"], columns="method", values="log_ratio"
    ).reset_index()
    right, wrong = wide[wide["response"] == "right"], wide[wide["response"] == "wrong"]
    assert (right["pmd_mean"] <= right["pmd_part"] + 1e-12).all()
    assert (wrong["pmd_mean"] >= wrong["pmd_part"]).all()


def test_the_estimation_error_table_scatters_around_the_exact_expectation(tables):
    """Over the grid 100 seeds average to within a third of the exact error, also scaled."""
    table = tables.estimation_error
    assert table["p"].min() == pytest.approx(0.01)
    assert table["p"].max() == pytest.approx(0.2)
    means = table.groupby(["method", "group_size"])[["exact_error", "simulated_error"]].mean()
    assert means["simulated_error"].to_numpy() == pytest.approx(
        means["exact_error"].to_numpy(), rel=0.34
    )
    row = table[(table["method"] == "pmd_part") & (table["group_size"] == 16)].iloc[0]
    exact = baseline_moments(0.01, 16, 0.05, "leave_one_out_log_partition")
    assert row["exact_scaled_error"] == pytest.approx(exact.scaled_error)
    assert row["simulated_scaled_error"] == pytest.approx(row["prefactor"] * row["simulated_error"])


def test_the_laboratory_table_has_every_method_both_ways(tables):
    """Exact and sampled, from round 0 for the reward and from round 1 for the rest."""
    table = tables.laboratory
    assert set(table["method"]) == {"pmd_mean", "pmd_part", "group_standardised"}
    assert set(table["rollouts"]) == {"exact", "sampled"}
    starts = table.groupby("quantity")["round"].min().to_dict()
    assert starts["expected_reward"] == starts["reward_gap"] == 0
    assert starts["kl"] == starts["min_log_ratio"] == 1
    assert (table["low"] <= table["median"]).all()
    assert (table["median"] <= table["high"]).all()


def test_every_figure_comes_in_both_forms_with_a_shared_legend(figures):
    """Names are fixed; plotly shows each legend entry once, and the same ones as matplotlib."""
    assert list(figures) == [
        "theory_figure_1",
        "theory_figure_2",
        "theory_figure_3",
        "theory_laboratory",
    ]
    for spec in figures.values():
        interactive = as_plotly_reads(plotly_figure(spec))
        shown = [trace.name for trace in interactive.data if trace.showlegend]
        assert len(shown) == len(set(shown))
        assert shown == legend_texts(matplotlib_figure(spec))
        assert interactive.to_json()


def test_drawn_figures_clip_no_legend_and_overlap_no_panel(figures):
    """Drawn extents: legend and titles inside the page, and below or beside every panel."""
    for spec in figures.values():
        drawn = matplotlib_figure(spec)
        canvas = FigureCanvasAgg(drawn)
        canvas.draw()
        renderer = canvas.get_renderer()
        page, legend = drawn.bbox, drawn.legends[0].get_window_extent(renderer)
        assert page.x0 <= legend.x0
        assert legend.x1 <= page.x1
        assert page.y0 <= legend.y0
        boxes = [axes.get_tightbbox(renderer) for axes in drawn.axes if axes.has_data()]
        for index, box in enumerate(boxes):
            assert page.x0 - 1 <= box.x0
            assert box.x1 <= page.x1 + 1
            assert box.y0 >= legend.y1 - 1
            assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def test_the_loop_figures_show_each_algorithm(compared_rounds):
    """Two panels per algorithm by pass rate; six panels by round, with the fixed point's line."""
    by_rate = predicted_against_measured(loop_group_table(compared_rounds))
    by_round = progress(
        loop_round_table(compared_rounds).assign(seed=0), algorithms=["z", "a", "b"]
    )
    images = {spec.name: matplotlib_figure(spec) for spec in (by_rate, by_round)}
    assert [axes.get_title(loc="left") for axes in images[by_rate.name].axes] == [
        "a: right responses",
        "a: wrong responses",
        "b: right responses",
        "b: wrong responses",
    ]
    assert "predicted (exact update)" in legend_texts(images[by_rate.name])
    slopes = {line.get_label(): line for line in images[by_round.name].axes[0].lines}
    assert len(images[by_round.name].axes) == 6
    assert len(slopes) == 3
    measured_slopes = images[by_round.name].axes[0].lines[0].get_ydata()
    assert measured_slopes == pytest.approx([0.2, 0.4, 0.6])
    for spec in (by_rate, by_round):
        shown = [
            trace.name for trace in as_plotly_reads(plotly_figure(spec)).data if trace.showlegend
        ]
        assert shown == legend_texts(images[spec.name])


def test_the_loop_figures_of_several_seeds_show_each_and_their_mean(compared_rounds):
    """By round a thin line per seed below the mean; by pass rate a line through each round."""
    first, groups = loop_round_table(compared_rounds), loop_group_table(compared_rounds)
    second = first.assign(seed=1, slope=first["slope"] + 0.2)
    panel = progress(pd.concat([first.assign(seed=0), second])).panels[0]
    thin, mean = panel.series[0], panel.series[2]
    assert thin.group == mean.label == "a"
    assert thin.strands.tolist() == [0, 0, 0, 1, 1, 1]
    assert thin.y == pytest.approx([0.2, 0.4, 0.6, 0.4, 0.6, 0.8])
    assert mean.y == pytest.approx([0.3, 0.5, 0.7])
    other = groups.assign(measured_log_ratio=groups["measured_log_ratio"] + 1.0)
    series = predicted_against_measured(pd.concat([groups, other])).panels[0].series
    points, line = series[0], series[3]
    assert len(points.x) == 6
    assert line.group == points.label == "measured, round 1"
    right = groups.query("algorithm == 'a' and round == 1 and response == 'right'")
    expected = right.sort_values("pass_rate")["measured_log_ratio"] + 0.5
    assert line.y == pytest.approx(expected.to_numpy())


def test_of_very_many_groups_some_are_drawn_and_the_line_is_of_all(compared_rounds):
    """1,800 groups to a round are 120 points at most; no pass rate is left out."""
    groups = pd.concat([loop_group_table(compared_rounds)] * 600)
    series = predicted_against_measured(groups).panels[0].series
    assert 60 < len(series[0].x) <= 120
    assert len(np.unique(series[0].x)) == len(series[3].x) == 3


def test_rounds_are_marked_by_whole_numbers(compared_rounds):
    """A tick per round where there are few: none at one and a half that reads as 2."""
    figure = as_plotly_reads(
        plotly_figure(progress(loop_round_table(compared_rounds).assign(seed=0)))
    )
    assert {axis.dtick for axis in figure.select_xaxes()} == {1}


def test_a_negative_multiplier_is_a_gap_and_hides_no_other(compared_rounds):
    """No update with a multiplier fits such a round; the others keep their logarithmic axis."""
    rounds = loop_round_table(compared_rounds).assign(seed=0)
    rounds["implied_lam"] = [2.0, 80.0, 3.0, -300.0, 4.0, 5e4]
    drawn = matplotlib_figure(progress(rounds))
    axes = next(a for a in drawn.axes if a.get_title(loc="left").startswith("Mult"))
    assert axes.get_yscale() == "log"
    measured = axes.lines[1].get_ydata()
    assert measured[0] == 80.0
    assert np.isnan(measured[1])
    assert measured[2] == 5e4


def test_loop_figures_of_nothing_are_refused():
    """Without a round of PMD there is no figure to draw."""
    with pytest.raises(ValueError, match="groups is empty"):
        predicted_against_measured(loop_group_table([]))
    with pytest.raises(ValueError, match="rounds is empty"):
        progress(pd.DataFrame())


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [
        ("log_partition", {"grid": {"low": 0.9, "high": 0.1}}, "not below high"),
        ("log_partition", {"taus": [0.0]}, "greater than 0"),
        ("simplex", {"probs": [0.5, 0.5, 0.5]}, "sum to one"),
        ("simplex", {"rewards": [1.0, 1.0, 1.0]}, "nothing would move"),
        ("simplex", {"tau": 100.0}, "must be between"),
        ("estimation_error", {"group_sizes": [1]}, "greater than or equal to 2"),
        ("laboratory", {"probs": [0.5, 0.5]}, "must have the same length"),
        ("laboratory", {"probs": [0.5, 0.2], "rewards": [1.0, 0.0]}, "sum to one"),
        ("laboratory", {"rounds": 3}, "Extra inputs"),
    ],
)
def test_parameters_out_of_range_are_refused(section, value, message):
    """Misspelt keys included."""
    with pytest.raises(ValidationError, match=message):
        TheoryConfig(**{section: value})


def test_the_laboratory_follows_its_parameters():
    """Fewer rounds and another bandit from the configuration."""
    config = TheoryConfig(
        laboratory=LaboratoryConfig(
            probs=(0.5, 0.5), rewards=(1.0, 0.0), num_rounds=2, num_seeds=3, num_updates=2
        )
    )
    table = build_theory_tables(config, seed=0).laboratory
    assert table["round"].max() == 2
    start = table[(table["quantity"] == "expected_reward") & (table["round"] == 0)]
    assert start["mean"].to_numpy() == pytest.approx(0.5)
