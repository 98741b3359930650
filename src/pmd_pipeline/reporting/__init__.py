"""The comparison of a run: tables, figures and the report."""

from pmd_pipeline.reporting.comparison import (
    COMPARISON_COLUMNS,
    COMPARISON_FLOAT_FORMAT,
    build_comparison,
)
from pmd_pipeline.reporting.final_table import final_table, format_console_table
from pmd_pipeline.reporting.gains import GAIN_COLUMNS, INITIAL_POLICY, paired_gains
from pmd_pipeline.reporting.matplotlib_figures import (
    matplotlib_panel,
    matplotlib_panel_grid,
    matplotlib_stage_times,
)
from pmd_pipeline.reporting.panels import Panel, learning_curve_panels
from pmd_pipeline.reporting.plotly_figures import (
    plotly_panel,
    plotly_panel_grid,
    plotly_stage_times,
)
from pmd_pipeline.reporting.report import ReportInputs, render_report
from pmd_pipeline.reporting.stage_times import STAGE_TIME_COLUMNS, training_times

__all__ = [
    "COMPARISON_COLUMNS",
    "COMPARISON_FLOAT_FORMAT",
    "GAIN_COLUMNS",
    "INITIAL_POLICY",
    "STAGE_TIME_COLUMNS",
    "Panel",
    "ReportInputs",
    "build_comparison",
    "final_table",
    "format_console_table",
    "learning_curve_panels",
    "matplotlib_panel",
    "matplotlib_panel_grid",
    "matplotlib_stage_times",
    "paired_gains",
    "plotly_panel",
    "plotly_panel_grid",
    "plotly_stage_times",
    "render_report",
    "training_times",
]
