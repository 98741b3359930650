"""Nodes of the pipeline ``study_report``."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from pmd_pipeline.reporting.study.figures import (
    plotly_study_curves,
    plotly_study_history,
    plotly_study_importances,
    plotly_study_slices,
)
from pmd_pipeline.reporting.study.maps import (
    plotly_study_contour,
    plotly_study_parallel,
    plotly_study_pareto,
)
from pmd_pipeline.reporting.study.page import render_study_page
from pmd_pipeline.reporting.study.results import StudySummary


def draw_study(
    trials: pd.DataFrame, curves: pd.DataFrame, summary: dict[str, Any]
) -> dict[str, go.Figure]:
    """Return the study's figures by name."""
    known = StudySummary.from_json(summary)
    return {
        "history": plotly_study_history(trials, known),
        "learning_curves": plotly_study_curves(curves, trials, known),
        "contour": plotly_study_contour(trials, known),
        "slices": plotly_study_slices(trials, known),
        "parallel": plotly_study_parallel(trials, known),
        "importances": plotly_study_importances(known),
        "pareto": plotly_study_pareto(trials, known),
    }


def write_study_page(trials: pd.DataFrame, summary: dict[str, Any], **figures: go.Figure) -> str:
    """Return the study's page."""
    known = StudySummary.from_json(summary)
    if not known.pareto:
        # With one objective there is no front.
        figures = {name: figure for name, figure in figures.items() if name != "pareto"}
    return render_study_page(trials, known, figures)
