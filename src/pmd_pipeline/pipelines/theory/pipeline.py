"""Exact solutions and the paper's figures; depends on its own parameters alone."""

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.pipelines.theory import nodes

TABLES = ("log_partition", "simplex", "log_ratio", "estimation_error", "laboratory")
FIGURES = ("theory_figure_1", "theory_figure_2", "theory_figure_3", "theory_laboratory")


def create_pipeline(**_: object) -> Pipeline:
    """Return the stage: a table per figure, and the figures."""
    tables = {name: f"theory_{name}" for name in TABLES}
    return Pipeline(
        [
            Node(
                nodes.build_theory_tables,
                inputs=["params:theory", "params:seed"],
                outputs=tables,
                name="build_theory_tables",
            ),
            Node(
                nodes.draw_theory_figures,
                inputs=tables,
                outputs={
                    name: name
                    for name in (*(f"figure_{figure}" for figure in FIGURES), "theory_images")
                },
                name="draw_theory_figures",
            ),
        ],
        namespace="theory",
        prefix_datasets_with_namespace=False,
        tags="theory",
    )
