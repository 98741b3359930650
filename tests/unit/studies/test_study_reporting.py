"""The figures, words and page of a study."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import as_plotly_reads

from pmd_pipeline.pipelines.study_report.nodes import draw_study, write_study_page
from pmd_pipeline.reporting.study.dimensions import dimension_of, short_names
from pmd_pipeline.reporting.study.figures import study_curves, study_history
from pmd_pipeline.reporting.study.optuna_figures import (
    draw_contour,
    draw_importances,
    draw_pareto,
    draw_slices,
)
from pmd_pipeline.reporting.study.parallel import study_parallel
from pmd_pipeline.reporting.study.rebuilt import rebuild_study
from pmd_pipeline.reporting.study.results import StudySummary
from pmd_pipeline.reporting.study.words import study_paragraphs


def _trials(**columns: Any) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "trial": [0, 1, 2, 3],
            "state": ["finished", "finished", "pruned", "failed"],
            "value": [0.5, 0.8, 0.3, np.nan],
            "training_seconds": [10.0, 20.0, 5.0, 1.0],
            "ci_low": [0.4, 0.7, np.nan, np.nan],
            "ci_high": [0.6, 0.9, np.nan, np.nan],
            "algorithm.tau": [0.5, 0.1, 1.0, 0.02],
            "training.group_size": [8, 16, 4, 4],
            "error": ["", "", "", "ValueError: <nan>"],
        }
    )
    return table.assign(**columns)


def _curves() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "trial": [0, 0, 1, 1, 2],
            "state": ["finished"] * 4 + ["pruned"],
            "repeat": 0,
            "phase": [1, 2, 1, 2, 1],
            "value": [0.4, 0.5, 0.6, 0.8, 0.3],
        }
    )


def _summary(**fields: Any) -> StudySummary:
    values: dict[str, Any] = {
        "name": "small",
        "metric": "avg@4",
        "dimensions": {
            "algorithm.tau": {"kind": "float", "log": True},
            "training.group_size": {"kind": "choice", "choices": [4, 8, 16]},
        },
        "settings": {"budget": {"rollouts": 64}},
        "counts": {"finished": 2, "pruned": 1, "failed": 1},
        "initial_value": 0.2,
        "current_trial": 0,
        "optimum": {
            "trial": 1,
            "value": 0.8,
            "low": 0.7,
            "high": 0.9,
            "interval_of": "problems",
            "values": {"algorithm.tau": 0.1, "training.group_size": 16},
            "tolerance": 0.1,
            "num_close": 2,
            "num_finished": 2,
            "num_not_told": 0,
            "close_ranges": {"algorithm.tau": [0.1, 0.5], "training.group_size": [8, 16]},
            "close_choices": {},
        },
        "importances": {"algorithm.tau": 0.75, "training.group_size": 0.25},
        "num_validation_problems": 24,
        "num_overlaps": 0,
        "interval_level": 0.95,
    }
    return StudySummary.from_json({**values, **fields})


def test_the_words_name_best_interval_gain_and_flatness() -> None:
    text = "\n".join(study_paragraphs(_trials(), _summary()))
    assert "Of 4 trials (2 finished, 1 pruned, 1 failed), trial 1 is best: avg@4 0.800" in text
    assert "with tau 0.1 and group_size 16. Its 95 % interval over problems is [0.700, 0.9" in text
    assert "No other trial's interval reaches it." in text
    assert "gained +0.600" in text
    assert "own parameters (trial 0) reach 0.500: the best is +0.300 away" in text
    assert "2 of 2 finished trials came within 0.100 of the best, with tau from 0.1 to 0.5" in text
    assert "(a factor of 5)" in text
    assert "tau 75 % and group_size 25 %" in text


def test_only_a_trial_that_can_be_told_from_the_others_is_called_the_best() -> None:
    """Otherwise it has the highest value, and it is said from how many it cannot be told."""
    found = _summary().optimum or {}
    optimum = {**found, "num_finished": 9, "num_not_told": 3}
    text = "\n".join(study_paragraphs(_trials(), _summary(optimum=optimum)))
    assert "trial 1 scores highest: avg@4 0.800" in text
    assert "cannot be told from 3 of the 8 other finished trials" in text
    assert "best" not in text.replace("it need not be the best", "")
    alone = {**found, "num_finished": 1, "num_not_told": 0}
    text = "\n".join(study_paragraphs(_trials(), _summary(optimum=alone)))
    assert "scores highest" in text
    assert "No other trial has finished." in text


def test_a_lone_optimum_is_not_called_flat() -> None:
    optimum = {**(_summary().optimum or {}), "num_close": 1, "num_finished": 9}
    text = "\n".join(study_paragraphs(_trials(), _summary(optimum=optimum)))
    assert "no other of the 9 finished trials came within 0.100" in text


def test_left_out_validation_problems_are_told() -> None:
    text = "\n".join(study_paragraphs(_trials(), _summary(num_overlaps=3)))
    assert "3 validation problems that an evaluation set has too" in text


def test_before_a_trial_has_finished_figures_and_page_can_be_made() -> None:
    trials, curves = _trials().iloc[3:], _curves().iloc[:0]
    summary = _summary(optimum=None, importances={}, counts={"failed": 1})
    figures = draw_study(trials, curves, summary.to_json())
    page = write_study_page(trials, summary.to_json(), **figures)
    assert "No trial has finished yet (1 trial (1 failed))" in page


def test_the_page_has_every_figure_and_escapes_what_trials_say() -> None:
    figures = draw_study(_trials(), _curves(), _summary().to_json())
    page = write_study_page(_trials(), _summary().to_json(), **figures)
    for name in ("history", "learning_curves", "contour", "slices", "parallel", "importances"):
        assert f'id="study-{name}-data"' in page
    assert "ValueError: &lt;nan&gt;" in page
    assert "<nan>" not in page
    # One objective has no front.
    assert "study-pareto" not in page


def test_curves_are_coloured_by_tau_and_pruned_ones_are_faint() -> None:
    (panel,) = study_curves(_curves(), _trials(), _summary()).panels
    assert [line.opacity for line in panel.series] == [1.0, 1.0, 0.3]
    assert list(panel.series[1].x) == [0, 1, 2]
    assert list(panel.series[1].y) == [0.2, 0.6, 0.8]
    # By log tau, on the scale of all trials: 1.0 is the largest.
    assert panel.series[2].colour == "#fde725"
    assert panel.colour_bar is not None
    assert panel.colour_bar.title == "tau"
    assert [level.text for level in panel.levels] == ["initial policy"]


def test_the_history_shows_every_trial_and_the_highest_so_far() -> None:
    (panel,) = study_history(_trials(), _summary()).panels
    series = {line.label: line for line in panel.series}
    assert list(series["finished trial"].y) == [0.5, 0.8]
    assert list(series["pruned trial, last evaluation"].y) == [0.3]
    assert series["pruned trial, last evaluation"].is_hollow
    assert series["failed trial"].hover == ("trial 3: ValueError: <nan>",)
    assert series["highest so far"].is_step
    assert list(series["highest so far"].y) == [0.5, 0.8]


def test_parallel_lines_lead_from_the_parameters_to_the_value() -> None:
    """A line per trial, worst first, as high on each axis as its value lies between the ends."""
    trials = _trials(state=["finished", "finished", "pruned", "failed"])
    (panel,) = study_parallel(trials, _summary()).panels
    lines = [line for line in panel.series if line.hover]
    assert [line.hover[0].splitlines()[0] for line in lines if line.hover] == [
        "trial 2 (pruned)",
        "trial 0 (finished)",
        "trial 1 (finished)",
    ]
    # The last height is the value's: 0.3 to 0.8 make 0, 0.4 and 1.
    assert [line.y[-1] for line in lines] == pytest.approx([0.0, 0.4, 1.0])
    # tau from 0.1 to 1.0, group size among 4, 8, 16.
    assert lines[1].y[:2] == pytest.approx([np.log10(5), 0.5])
    words = [text.text for text in panel.texts]
    assert {"tau", "group_size", "avg@4", "0.1", "1", "4", "8", "16"} <= set(words)


def test_a_parallel_line_goes_straight_over_what_does_not_apply() -> None:
    trials = _trials(**{"algorithm.tau": [np.nan, 0.1, 1.0, 0.02]})
    (panel,) = study_parallel(trials, _summary()).panels
    (line,) = [line for line in panel.series if line.hover and "trial 0" in line.hover[0]]
    assert list(line.x) == [1, 2]


def test_a_rebuilt_study_has_the_trials_under_their_numbers() -> None:
    """Values of finished trials alone, parameters by their short names, choices as numbers."""
    study = rebuild_study(_trials(), _summary())
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "FAIL", "FAIL"]
    assert [trial.value for trial in study.trials[:2]] == [0.5, 0.8]
    assert study.trials[1].params == {"tau": 0.1, "group_size": 16}
    assert study.best_trial.number == 1


def test_names_that_two_dimensions_share_stay_whole() -> None:
    names = short_names(["algorithms.a.tau", "algorithms.b.tau", "training.group_size"])
    assert list(names.values()) == ["algorithms.a.tau", "algorithms.b.tau", "group_size"]


def test_importances_are_those_of_the_words() -> None:
    """Not computed a second time: text, table and figure cannot disagree."""
    figure = as_plotly_reads(draw_importances(_trials(), _summary()))
    (bars,) = figure.data
    assert dict(zip(bars.y, bars.x, strict=True)) == {"group_size": 0.25, "tau": 0.75}
    assert figure.layout.xaxis.title.text == "share of the variance"


def test_slices_show_finished_trials_against_each_parameter() -> None:
    figure = as_plotly_reads(draw_slices(_trials(), _summary()))
    by_title = {figure.layout[f"xaxis{trace.xaxis[1:]}"].title.text: trace for trace in figure.data}
    assert by_title.keys() == {"tau", "group_size"}
    assert list(by_title["tau"].x) == [0.5, 0.1]
    assert list(by_title["tau"].y) == [0.5, 0.8]
    assert list(by_title["group_size"].x) == [8, 16]
    assert figure.layout.yaxis.title.text == "avg@4, validation"


def test_a_choice_among_words_is_marked_by_the_words() -> None:
    dimensions = {"algorithm": {"kind": "choice", "choices": ["pmd_mean", "grpo"]}}
    trials = _trials(algorithm=["grpo", "pmd_mean", "grpo", "grpo"])
    figure = as_plotly_reads(draw_slices(trials, _summary(dimensions=dimensions)))
    assert figure.layout.xaxis.ticktext == ("pmd_mean", "grpo")


def test_the_contour_shows_tau_against_group_size() -> None:
    trials = _trials(state="finished", value=[0.1, 0.2, 0.3, 0.4])
    figure = as_plotly_reads(draw_contour(trials, _summary()))
    assert figure.layout.title.text == "Contour: tau x group_size"
    titles = (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text)
    points = next(trace for trace in figure.data if trace.type == "scatter")
    shown = dict(zip(titles, (points.x, points.y), strict=True))
    assert list(shown["tau"]) == [0.5, 0.1, 1.0, 0.02]
    assert list(shown["group_size"]) == [8, 16, 4, 4]
    assert {figure.layout.xaxis.type, figure.layout.yaxis.type} == {"log"}


def test_the_contours_surface_goes_through_the_trials() -> None:
    trials = _trials(state="finished", value=[0.1, 0.2, 0.3, 0.4])
    surface = as_plotly_reads(draw_contour(trials, _summary())).data[0]
    heights = np.array(surface.z, dtype=np.float64)
    at = {
        (x, y): heights[row, column]
        for row, y in enumerate(surface.y)
        for column, x in enumerate(surface.x)
    }
    assert at[4, 0.02] == 0.4
    assert at[8, 0.5] == 0.1
    assert np.nanmin(heights) == 0.1
    assert np.nanmax(heights) == 0.4


def test_parameters_that_never_meet_are_not_put_into_one_contour() -> None:
    """tau belongs to one algorithm and clip_high to another; learning_rate meets both."""
    dimensions = {
        "algorithm.tau": {"kind": "float", "log": True},
        "algorithms.grpo.clip_high": {"kind": "float", "log": False},
        "training.optimizer.learning_rate": {"kind": "float", "log": True},
    }
    trials = pd.concat([_trials(state="finished", value=0.5)] * 2, ignore_index=True)
    trials["trial"] = range(8)
    trials["algorithm.tau"] = [0.1, 0.2, 0.3, 0.4, *[np.nan] * 4]
    trials["algorithms.grpo.clip_high"] = [*[np.nan] * 4, 0.1, 0.2, 0.3, 0.4]
    trials["training.optimizer.learning_rate"] = np.linspace(1e-4, 1e-3, 8)
    summary = _summary(dimensions=dimensions, importances={})
    figure = as_plotly_reads(draw_contour(trials, summary))
    assert figure.layout.title.text == "Contour: tau x learning_rate"


def test_where_there_are_too_few_trials_the_figures_say_so() -> None:
    summary = _summary(importances={}, optimum=None)
    for draw in (draw_importances, draw_contour, draw_slices, draw_pareto):
        (note,) = as_plotly_reads(draw(_trials().iloc[3:], summary)).layout.annotations
        assert "finished trials" in note.text


def test_the_front_is_drawn_by_seconds() -> None:
    trials = _trials(
        state="finished", value=[0.5, 0.8, 0.3, 0.4], training_seconds=[10.0, 20.0, 5.0, 30.0]
    )
    figure = as_plotly_reads(draw_pareto(trials, _summary(pareto=[0, 1, 2])))
    traces = {trace.name: trace for trace in figure.data}
    front = sorted(zip(traces["Pareto front"].x, traces["Pareto front"].y, strict=True))
    assert front == [(5.0, 0.3), (10.0, 0.5), (20.0, 0.8)]
    assert list(traces["beaten in both"].x) == [30.0]
    assert figure.layout.xaxis.title.text == "seconds of training"
    assert figure.layout.yaxis.title.text == "avg@4, validation"


def test_a_choice_is_found_whatever_the_table_made_of_it() -> None:
    """A column with gaps reads 8 as 8.0; texts and truth values stay."""
    table = pd.DataFrame({"n": [8.0, np.nan, 4.0], "b": ["mean", None, "log_partition"]})
    numbers = dimension_of(table, "n", {"kind": "choice", "choices": [4, 8]}).numbers
    np.testing.assert_array_equal(numbers, [1, np.nan, 0])
    texts = dimension_of(
        table, "b", {"kind": "choice", "choices": ["mean", "log_partition"]}
    ).numbers
    np.testing.assert_array_equal(texts, [0, np.nan, 1])
