"""Figures and page of the hyperparameter studies, a namespace per study."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.pipelines.study_report import nodes

FIGURES = (
    "history",
    "learning_curves",
    "contour",
    "slices",
    "parallel",
    "importances",
    "pareto",
)


def create_pipeline(*, studies: Sequence[str]) -> Pipeline:
    """Return the reports of the named studies; ``kedro study report`` writes their inputs."""
    return sum((_report(study) for study in studies), Pipeline([]))


def _report(study: str) -> Pipeline:
    figures = {name: f"study_figure_{name}" for name in FIGURES}
    return Pipeline(
        [
            Node(
                nodes.draw_study,
                inputs=["study_trials", "study_curves", "study_summary"],
                outputs=figures,
                name="draw_study",
            ),
            Node(
                nodes.write_study_page,
                inputs={"trials": "study_trials", "summary": "study_summary", **figures},
                outputs="study_page",
                name="write_study_page",
            ),
        ],
        namespace=study,
        inputs={
            name: f"{study}.{name}" for name in ("study_trials", "study_curves", "study_summary")
        },
        tags="study_report",
    )
