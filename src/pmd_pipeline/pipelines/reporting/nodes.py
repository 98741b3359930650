"""Nodes of the stage ``reporting``.

Building the pipelines imports this module, for `kedro viz` too: what takes long to import is
imported within the nodes that use it.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pmd_pipeline.config.comparison import ComparisonConfig
from pmd_pipeline.config.evaluation import EvaluationConfig
from pmd_pipeline.config.reporting import ReportingConfig
from pmd_pipeline.config.rewards import RewardParameters
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.metrics.budgets import training_budgets
from pmd_pipeline.metrics.comparison import headline_metric
from pmd_pipeline.metrics.gains import paired_gains
from pmd_pipeline.metrics.pairs import compare_pairs
from pmd_pipeline.metrics.problem_scores import INITIAL_POLICY, initial_scores, join_scores
from pmd_pipeline.metrics.seed_comparison import compare_over_seeds
from pmd_pipeline.pipelines.annotations import Figure
from pmd_pipeline.pipelines.plain_parameters import plain_value
from pmd_pipeline.pipelines.reporting.gathering import LoadTable, concat_theory_groups
from pmd_pipeline.pipelines.reporting.theory_sections import (
    LOOP_FIGURES,
    nothing_to_compare,
    theory_sections,
)
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.curves.columns import CURVES
from pmd_pipeline.reporting.curves.cost_curves import cost_figure
from pmd_pipeline.reporting.curves.panels import learning_curve_grid, learning_curve_panels
from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.drawing.plotly_renderer import plotly_figure
from pmd_pipeline.reporting.drawing.spec import FigureSpec
from pmd_pipeline.reporting.run_page.page import ReportInputs, render_report
from pmd_pipeline.reporting.run_page.stage_times import (
    STAGE_TIME_COLUMNS,
    stage_time_figure,
    training_times,
)
from pmd_pipeline.reporting.theory.loop_figures import predicted_against_measured, progress
from pmd_pipeline.rewards import with_vote_labels

# Of one algorithm, as its node `gather_results` has put them together.
Results = Mapping[str, LoadTable]

_FIGURE = "figure_"
_VISIBLE_FRACTION = 0.02


def collect_round_metrics(**results: Results) -> pd.DataFrame:
    """Return one row per algorithm, training seed and round."""
    return pd.concat(_tables(results, "round_metrics"), ignore_index=True)


def collect_theory_groups(**results: Results) -> pd.DataFrame:
    """Return predicted and measured log-ratios of every training run's prompt groups."""
    return concat_theory_groups(_tables(results, "theory_groups"))


def collect_comparisons(**results: Results) -> pd.DataFrame:
    """Return one row per algorithm, training seed, evaluation set, metric, k and round."""
    return pd.concat(_tables(results, "comparison"), ignore_index=True)


def score_problems(
    initial: pd.DataFrame, rewards: RewardParameters, **results: Results
) -> pd.DataFrame:
    """Return one row per training run, evaluated round, metric, k and problem."""
    start = initial_scores(with_vote_labels(initial), has_answers=rewards.root.gives_answers)
    return join_scores(start, _tables(results, "problem_scores"))


def compare(scores: pd.DataFrame, evaluation: EvaluationConfig) -> pd.DataFrame:
    """Return one row per algorithm, evaluation set, metric, k and evaluated round."""
    return compare_over_seeds(scores, level=evaluation.interval_level)


def compute_gains(
    scores: pd.DataFrame, evaluation: EvaluationConfig, reporting: ReportingConfig
) -> pd.DataFrame:
    """Return paired differences: to the initial policy, and to the reference."""
    return paired_gains(
        scores, reference=reporting.reference_algorithm, level=evaluation.interval_level
    )


def compare_each_pair(
    scores: pd.DataFrame, evaluation: EvaluationConfig, comparison: ComparisonConfig
) -> pd.DataFrame:
    """Return what can be said of every pair of algorithms on each evaluation set."""
    return compare_pairs(
        scores,
        margin=comparison.margin,
        alpha=comparison.alpha,
        level=evaluation.interval_level,
    )


def measure_budgets(round_metrics: pd.DataFrame) -> pd.DataFrame:
    """Return what each training run has used: one row per algorithm and training seed."""
    return training_budgets(round_metrics)


def measure_stage_times(run_state: dict[str, Any], round_metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the wall time of each stage, and of an algorithm's rounds by kind of work."""
    seconds: dict[str, float] = {}
    for node, value in run_state["node_seconds"].items():
        namespace, _, name = node.rpartition(".")
        if name == "train" or namespace.startswith(("evaluate_models", "model_reporting")):
            continue
        is_evaluation = namespace == "initial" or TrainingRun.containing(node) is not None
        stage = "evaluation" if is_evaluation else name
        seconds[stage] = seconds.get(stage, 0.0) + value
    # What takes no visible time would only crowd the figure.
    smallest = _VISIBLE_FRACTION * max(seconds.values())
    rows = [(stage, "", value) for stage, value in seconds.items() if value >= smallest]
    rest = sum(value for value in seconds.values() if value < smallest)
    others = pd.DataFrame([*rows, ("other stages", "", rest)], columns=list(STAGE_TIME_COLUMNS))
    return pd.concat([others, training_times(round_metrics)], ignore_index=True)


def draw_learning_curves(
    round_metrics: pd.DataFrame,
    comparison: pd.DataFrame,
    comparison_by_seed: pd.DataFrame,
    evaluation: EvaluationConfig,
    reporting: ReportingConfig,
) -> dict[str, InteractiveFigure | dict[str, Figure]]:
    """Return the learning curves, interactive and as images."""
    from pmd_pipeline.reporting.drawing.matplotlib_renderer import matplotlib_figure

    panels = learning_curve_panels(
        round_metrics,
        comparison,
        comparison_by_seed,
        interval_level=evaluation.interval_level,
        smoothing_rounds=reporting.smoothing_rounds,
    )
    of_rounds = {curve.column for curve in CURVES}
    headline = headline_metric(comparison)
    evaluations = [panel for panel in panels if headline in panel.name and panel.name != headline]
    figures = [FigureSpec.of(panel) for panel in panels]
    costs = cost_figure(round_metrics, comparison, comparison_by_seed)
    return {
        **{
            f"figure_{figure.name}": plotly_figure(figure)
            for figure in figures
            if figure.name in of_rounds
        },
        "figure_avg_at_k": plotly_figure(
            learning_curve_grid(
                evaluations,
                name="avg_at_k",
                title=f"{formatting.metric_name(headline, 'k')} on held-out problems",
            )
        ),
        f"figure_{costs.name}": plotly_figure(costs),
        "learning_curve_images": {
            figure.name: matplotlib_figure(figure)
            for figure in (
                learning_curve_grid(panels, name="learning_curves", title="Learning curves"),
                *figures,
                costs,
            )
        },
    }


def draw_stage_times(stage_times: pd.DataFrame) -> tuple[InteractiveFigure, dict[str, Figure]]:
    """Return where the time went, interactive and as an image."""
    from pmd_pipeline.reporting.drawing.matplotlib_renderer import matplotlib_figure

    figure = stage_time_figure(stage_times)
    return plotly_figure(figure), {figure.name: matplotlib_figure(figure)}


def draw_theory_in_the_loop(
    theory_groups: pd.DataFrame, round_metrics: pd.DataFrame
) -> dict[str, InteractiveFigure | dict[str, Figure]]:
    """Return training held against theory, interactive and as images."""
    from pmd_pipeline.reporting.drawing.matplotlib_renderer import matplotlib_figure
    from pmd_pipeline.training.theory_in_the_loop import METRIC_PREFIX

    if theory_groups.empty:
        return {
            **{f"figure_{name}": nothing_to_compare() for name in LOOP_FIGURES},
            "theory_in_the_loop_images": {},
        }
    compared = round_metrics[round_metrics["algorithm"].isin(theory_groups["algorithm"])]
    figures = (
        predicted_against_measured(theory_groups),
        progress(
            compared.rename(columns=lambda name: str(name).removeprefix(METRIC_PREFIX)),
            algorithms=list(round_metrics["algorithm"].unique()),
        ),
    )
    return {
        **{f"figure_{figure.name}": plotly_figure(figure) for figure in figures},
        "theory_in_the_loop_images": {figure.name: matplotlib_figure(figure) for figure in figures},
    }


def write_report(
    comparison: pd.DataFrame,
    comparison_by_seed: pd.DataFrame,
    round_metrics: pd.DataFrame,
    gains: pd.DataFrame,
    pairs: pd.DataFrame,
    problem_scores: pd.DataFrame,
    budgets: pd.DataFrame,
    stage_times: pd.DataFrame,
    data_report: dict[str, Any],
    decontaminated_problems: pd.DataFrame,
    provenance: dict[str, Any],
    run_state: dict[str, Any],
    parameters: dict[str, Any],
    initial: pd.DataFrame,
    **results_and_figures: Any,
) -> str:
    """Return the report, one page that needs no network."""
    figures: dict[str, InteractiveFigure] = {
        name.removeprefix(_FIGURE): results_and_figures.pop(name)
        for name in list(results_and_figures)
        if name.startswith(_FIGURE)  # as no label does
    }
    results: dict[str, Results] = results_and_figures
    plain = {name: plain_value(value) for name, value in parameters.items()}
    return render_report(
        ReportInputs(
            comparison=comparison,
            comparison_by_seed=comparison_by_seed,
            round_metrics=round_metrics,
            gains=gains,
            pairs=pairs,
            scores=problem_scores,
            budgets=budgets,
            completions={INITIAL_POLICY: initial, **_to_read(results)},
            stage_times=stage_times,
            on_policy=[
                label
                for label in results
                if plain["algorithms"][label]["kind"] == "on_policy_gradient"
            ],
            figures=figures,
            data_report=data_report,
            decontaminated_problems=decontaminated_problems,
            parameters=plain,
            provenance={
                "created": run_state["version"],
                "seed": plain["seed"],
                "data version": run_state["version"],
                "MLflow run": run_state["mlflow_runs"].get("", "not tracked"),
                **provenance,
            },
            extra_figures=theory_sections(
                figures,
                num_rounds=int(round_metrics["round"].max()),
                num_seeds=round_metrics["seed"].nunique(),
            ),
            interval_level=plain["evaluation"]["interval_level"],
        ),
        ReportingConfig.model_validate(plain["reporting"]),
    )


def _tables(results: Mapping[str, Results], name: str) -> list[pd.DataFrame]:
    """Return one of the tables that each algorithm's results hold."""
    return [tables[name]() for tables in results.values()]


def _to_read(results: Mapping[str, Results]) -> dict[str, pd.DataFrame]:
    """Return the last completions of each algorithm's first training seed, by the name to show."""
    shown = {}
    for label, tables in results.items():
        completions = tables["last_completions"]()
        num_seeds = tables["comparison"]()["seed"].nunique()
        name = label if num_seeds == 1 else f"{label}, seed {completions['seed'].iloc[0]}"
        shown[name] = completions.drop(columns=["round", "seed"])
    return shown
