"""Stage 6: comparison, figures, report."""

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.pipelines.reporting import nodes
from pmd_pipeline.reporting.curves import CURVES


def create_pipeline(
    *, algorithms: Sequence[str], num_phases: int, rounds_per_phase: int
) -> Pipeline:
    """Return the stage, for the given algorithms and phases."""

    def of_phases(dataset: str) -> dict[str, str]:
        return {
            nodes.input_name(label, phase): f"{label}.phase_{phase}.{dataset}"
            for label in algorithms
            for phase in range(1, num_phases + 1)
        }

    initial = {"initial": "initial.eval_completions"}
    final = {label: f"{label}.phase_{num_phases}.eval_completions" for label in algorithms}
    figures = [f"figure_{curve.column}" for curve in CURVES]
    return Pipeline(
        [
            Node(
                nodes.make_collect_round_metrics(algorithms, num_phases),
                inputs=of_phases("round_metrics"),
                outputs="round_metrics",
                name="collect_round_metrics",
            ),
            Node(
                nodes.make_compare(algorithms, num_phases, rounds_per_phase),
                inputs={"initial": "initial.eval_metrics", **of_phases("eval_metrics")},
                outputs="comparison",
                name="compare",
            ),
            Node(
                nodes.compute_gains,
                inputs={"config": "params:evaluation", "seed": "params:seed", **initial, **final},
                outputs="gains",
                name="compute_gains",
            ),
            Node(
                nodes.measure_stage_times,
                inputs=["run_state", "round_metrics"],
                outputs="stage_times",
                name="measure_stage_times",
            ),
            Node(
                nodes.draw_learning_curves,
                inputs=["round_metrics", "comparison", "params:evaluation", "params:reporting"],
                outputs={
                    name: name for name in [*figures, "figure_avg_at_k", "learning_curve_images"]
                },
                name="draw_learning_curves",
            ),
            Node(
                nodes.draw_stage_times,
                inputs="stage_times",
                outputs=["figure_stage_times", "stage_time_images"],
                name="draw_stage_times",
            ),
            Node(
                nodes.write_report,
                inputs={
                    "comparison": "comparison",
                    "round_metrics": "round_metrics",
                    "gains": "gains",
                    "stage_times": "stage_times",
                    "data_report": "data_report",
                    "decontaminated_problems": "decontaminated_problems",
                    "provenance": "provenance",
                    "run_state": "run_state",
                    "parameters": "parameters",
                    **initial,
                    **final,
                },
                outputs="report",
                name="write_report",
            ),
        ],
        tags="reporting",
    )
