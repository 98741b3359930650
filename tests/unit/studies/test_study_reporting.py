"""The figures, words and page of a study."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pmd_pipeline.pipelines.study_report.nodes import draw_study, write_study_page
from pmd_pipeline.reporting.study.figures import log_ticks, plotly_study_curves
from pmd_pipeline.reporting.study.maps import plotly_study_contour, plotly_study_pareto
from pmd_pipeline.reporting.study.results import StudySummary, axis_of
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
    assert "gained +0.600" in text
    assert "own parameters (trial 0) reach 0.500: the best is +0.300 away" in text
    assert "2 of 2 finished trials came within 0.100 of the best, with tau from 0.1 to 0.5" in text
    assert "(a factor of 5)" in text
    assert "tau 75 % and group_size 25 %" in text


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
    figure = plotly_study_curves(_curves(), _trials(), _summary())
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [trace.opacity for trace in lines] == [1.0, 1.0, 0.3]
    assert list(lines[1].x) == [0, 1, 2]
    assert list(lines[1].y) == [0.2, 0.6, 0.8]
    # By log tau, on the scale of all trials: 1.0 is the largest.
    assert lines[2].line.color == "rgb(253, 231, 37)"


def test_the_contour_shows_tau_against_group_size() -> None:
    figure = plotly_study_contour(_trials(), _summary())
    assert figure.layout.title.text == "Contour: tau x group_size"
    points = figure.data[-1]
    np.testing.assert_allclose(points.x, np.log10([0.5, 0.1]))
    assert list(points.y) == [1, 2]  # 8 and 16 among 4, 8, 16


def test_the_contours_surface_goes_through_the_trials() -> None:
    trials = _trials(state="finished", value=[0.1, 0.2, 0.3, 0.4])
    surface = plotly_study_contour(trials, _summary()).data[0]
    # tau 0.02 at group size 4 is the lower left corner.
    assert surface.z[0][0] == pytest.approx(0.4, abs=1e-3)
    assert 0.1 <= surface.z.min() <= surface.z.max() <= 0.4


def test_the_front_is_drawn_by_seconds() -> None:
    figure = plotly_study_pareto(_trials(), _summary(pareto=[1, 0]))
    front = figure.data[1]
    assert (list(front.x), list(front.y)) == ([10.0, 20.0], [0.5, 0.8])
    assert len(figure.data[0].x) == 0


def test_a_choice_is_found_whatever_the_table_made_of_it() -> None:
    """A column with gaps reads 8 as 8.0; texts and truth values stay."""
    table = pd.DataFrame({"n": [8.0, np.nan, 4.0], "b": ["mean", None, "log_partition"]})
    numbers = axis_of(table, "n", {"kind": "choice", "choices": [4, 8]}).numbers
    np.testing.assert_array_equal(numbers, [1, np.nan, 0])
    texts = axis_of(table, "b", {"kind": "choice", "choices": ["mean", "log_partition"]}).numbers
    np.testing.assert_array_equal(texts, [0, np.nan, 1])


def test_logarithmic_ticks_are_round_numbers() -> None:
    assert log_ticks(np.array([0.02, 2.0])) == pytest.approx([0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0])
