"""Stage 6: comparison, figures, report."""

from collections.abc import Mapping, Sequence

from kedro.pipeline import Node, Pipeline

from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.pipelines.reporting import nodes
from pmd_pipeline.pipelines.reporting.gathering import RESULTS, gather_pipeline
from pmd_pipeline.pipelines.reporting.theory_sections import LOOP_FIGURES, THEORY_FIGURES
from pmd_pipeline.reporting.curves.columns import CURVES


def create_pipeline(*, runs: Sequence[TrainingRun]) -> Pipeline:
    """Return the stage, for the given training runs.

    A node that takes the results of each algorithm takes them by its label.
    """
    of_algorithm = {
        run.algorithm: [r for r in runs if r.algorithm == run.algorithm] for run in runs
    }
    results = {label: f"{label}.{RESULTS}" for label in of_algorithm}
    gathering = [gather_pipeline(label, own) for label, own in of_algorithm.items()]
    return Pipeline([*gathering, _reporting(results)])


def _reporting(results: Mapping[str, str]) -> Pipeline:
    initial = {"initial": "initial.eval_completions"}
    curves = [*(f"figure_{curve.column}" for curve in CURVES), "figure_cost_curves"]
    loop_figures = [f"figure_{name}" for name in LOOP_FIGURES]
    theory_figures = [f"figure_{name}" for name in THEORY_FIGURES]
    return Pipeline(
        [
            Node(
                nodes.collect_round_metrics,
                inputs=dict(results),
                outputs="round_metrics",
                name="collect_round_metrics",
            ),
            Node(
                nodes.collect_comparisons,
                inputs=dict(results),
                outputs="comparison_by_seed",
                name="collect_comparisons",
            ),
            Node(
                nodes.score_problems,
                inputs={"rewards": "params:rewards", **initial, **results},
                outputs="problem_scores",
                name="score_problems",
            ),
            Node(
                nodes.compare,
                inputs=["problem_scores", "params:evaluation"],
                outputs="comparison",
                name="compare",
            ),
            Node(
                nodes.compute_gains,
                inputs=["problem_scores", "params:evaluation", "params:reporting"],
                outputs="gains",
                name="compute_gains",
            ),
            Node(
                nodes.compare_each_pair,
                inputs=["problem_scores", "params:evaluation", "params:comparison"],
                outputs="pairs",
                name="compare_each_pair",
            ),
            Node(
                nodes.measure_budgets,
                inputs="round_metrics",
                outputs="budgets",
                name="measure_budgets",
            ),
            Node(
                nodes.measure_stage_times,
                inputs=["run_state", "round_metrics"],
                outputs="stage_times",
                name="measure_stage_times",
            ),
            Node(
                nodes.draw_learning_curves,
                inputs=[
                    *("round_metrics", "comparison", "comparison_by_seed"),
                    *("params:evaluation", "params:reporting"),
                ],
                outputs={
                    name: name for name in [*curves, "figure_avg_at_k", "learning_curve_images"]
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
                nodes.collect_theory_groups,
                inputs=dict(results),
                outputs="theory_groups",
                name="collect_theory_groups",
            ),
            Node(
                nodes.draw_theory_in_the_loop,
                inputs=["theory_groups", "round_metrics"],
                outputs={name: name for name in [*loop_figures, "theory_in_the_loop_images"]},
                name="draw_theory_in_the_loop",
            ),
            Node(
                nodes.write_report,
                inputs={
                    "comparison": "comparison",
                    "comparison_by_seed": "comparison_by_seed",
                    "round_metrics": "round_metrics",
                    "gains": "gains",
                    "pairs": "pairs",
                    "problem_scores": "problem_scores",
                    "budgets": "budgets",
                    "stage_times": "stage_times",
                    "data_report": "data_report",
                    "decontaminated_problems": "decontaminated_problems",
                    "provenance": "provenance",
                    "run_state": "run_state",
                    "parameters": "parameters",
                    "figure_stage_times": "figure_stage_times",
                    **{name: name for name in [*curves, *loop_figures, *theory_figures]},
                    **initial,
                    **results,
                },
                outputs="report",
                name="write_report",
            ),
        ],
        namespace="reporting",
        prefix_datasets_with_namespace=False,
        tags="reporting",
    )
