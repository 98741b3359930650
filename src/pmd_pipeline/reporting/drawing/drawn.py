"""One theory figure in both forms."""

from dataclasses import dataclass

import plotly.graph_objects as go
from matplotlib.figure import Figure

from pmd_pipeline.reporting.drawing.matplotlib_renderer import matplotlib_figure
from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.reporting.drawing.spec import FigureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFigure:
    """A figure in both forms.

    Attributes:
        name: For file names.
        matplotlib: For PNG and SVG files.
        plotly: For kedro-viz and the report.
    """

    name: str
    matplotlib: Figure
    plotly: go.Figure


def draw_figure(spec: FigureSpec) -> DrawnFigure:
    """Return the figure drawn by matplotlib and by plotly."""
    return DrawnFigure(
        name=spec.name, matplotlib=matplotlib_figure(spec), plotly=plotly_figure(spec)
    )
