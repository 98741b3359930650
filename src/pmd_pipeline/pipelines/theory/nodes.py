"""Nodes of the stage ``theory``.

Building the pipelines imports this module, for `kedro viz` too: what takes long to import is
imported within the nodes that use it.
"""

from dataclasses import fields

import pandas as pd

from pmd_pipeline.config.theory import TheoryConfig
from pmd_pipeline.pipelines.annotations import Figure
from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.seeds import derive_seed


def build_theory_tables(config: TheoryConfig, seed: int) -> dict[str, pd.DataFrame]:
    """Return the table behind each figure, by name."""
    from pmd_pipeline import theory

    tables = theory.build_theory_tables(config, seed=derive_seed(seed, "theory"))
    return {field.name: getattr(tables, field.name) for field in fields(tables)}


def draw_theory_figures(**tables: pd.DataFrame) -> dict[str, InteractiveFigure | dict[str, Figure]]:
    """Return every figure: the interactive ones by name, the images together."""
    from pmd_pipeline.reporting.drawing.matplotlib_renderer import matplotlib_figure
    from pmd_pipeline.reporting.theory.figures import theory_figures
    from pmd_pipeline.theory import TheoryTables

    figures = theory_figures(TheoryTables(**tables))
    return {
        **{f"figure_{name}": plotly_figure(figure) for name, figure in figures.items()},
        "theory_images": {name: matplotlib_figure(figure) for name, figure in figures.items()},
    }
