"""Nodes of the pipeline ``study_report``.

Building the pipelines imports this module, for `kedro viz` too: what takes long to import is
imported within the nodes that use it.
"""

from typing import Any

import pandas as pd

from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.reporting.study.figures import study_curves, study_history
from pmd_pipeline.reporting.study.page import render_study_page
from pmd_pipeline.reporting.study.parallel import study_parallel
from pmd_pipeline.reporting.study.results import StudySummary


def draw_study(
    trials: pd.DataFrame, curves: pd.DataFrame, summary: dict[str, Any]
) -> dict[str, InteractiveFigure]:
    """Return the study's figures by name."""
    from pmd_pipeline.reporting.study.optuna_figures import (
        draw_contour,
        draw_importances,
        draw_pareto,
        draw_slices,
    )

    known = StudySummary.from_json(summary)
    return {
        "history": plotly_figure(study_history(trials, known)),
        "learning_curves": plotly_figure(study_curves(curves, trials, known)),
        "contour": draw_contour(trials, known),
        "slices": draw_slices(trials, known),
        "parallel": plotly_figure(study_parallel(trials, known)),
        "importances": draw_importances(trials, known),
        "pareto": draw_pareto(trials, known),
    }


def write_study_page(
    trials: pd.DataFrame, summary: dict[str, Any], **figures: InteractiveFigure
) -> str:
    """Return the study's page."""
    known = StudySummary.from_json(summary)
    if not known.pareto:
        # With one objective there is no front.
        figures = {name: figure for name, figure in figures.items() if name != "pareto"}
    return render_study_page(trials, known, figures)
