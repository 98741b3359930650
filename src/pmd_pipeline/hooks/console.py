"""What a run prints when it begins, and when it is done."""

from pathlib import Path

import click
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.hooks.intent import has_stated_intent
from pmd_pipeline.hooks.resume import ResumeHook
from pmd_pipeline.hooks.stages import is_training
from pmd_pipeline.shell import is_project, kedro
from pmd_pipeline.wording import listed

_REPORT = Path("08_reporting") / "report.html"
_LINEAGE = "http://127.0.0.1:4141"
_MODEL_REPORT = Path("08_reporting") / "evaluate_models" / "report.html"


class ConsoleHook:
    """Prints where the results go; afterwards the comparison and where to find more.

    Args:
        resume: Knows what the run's results were made from.
    """

    def __init__(self, resume: ResumeHook) -> None:
        self._resume = resume
        self._context: ExperimentContext | None = None

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: ExperimentContext) -> None:
        self._context = context
        if has_stated_intent():
            # What `kedro run` imports next takes seconds.
            folder = _shown(context.data_root, context)
            experiment = context.experiment
            seeds = listed([str(seed) for seed in experiment.training.seeds])
            click.echo(
                f"Environment {context.env or 'base'}, seed {experiment.seed}, training "
                f"seed{'s' * (len(experiment.training.seeds) > 1)} {seeds}, results in {folder}"
            )

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        if "comparison" in pipeline.datasets():
            self._print_comparison(pipeline, catalog)
        if "model_report" in pipeline.all_outputs():
            self._print_models(catalog)
        if "report" not in pipeline.all_outputs():
            self._say_what_the_report_lacks(pipeline)

    def _say_what_the_report_lacks(self, pipeline: Pipeline) -> None:
        assert self._context is not None
        assert self._resume.state is not None
        renew = kedro("run", self._context.env)
        if self._context.config_loader.runtime_params:
            renew += " with the same --params"
        if "report" not in self._resume.state.files:
            if any(is_training(node) for node in pipeline.nodes):
                click.echo(f"There is no report yet: {renew} makes it, and what it lacks.")
        elif self._resume.outdated("reporting"):
            report = _shown(self._context.data_root / _REPORT, self._context)
            click.echo(
                f"The report, {report}, is older than these results: {renew} makes it again, "
                "with tables and figures, and what else is missing."
            )

    def _print_models(self, catalog: DataCatalog) -> None:
        from pmd_pipeline.reporting.console import PAGE_WIDTH, print_parts
        from pmd_pipeline.reporting.models_page.words import console_table
        from pmd_pipeline.tracking.configuration import where_runs_are

        assert self._context is not None
        scores, differences = catalog.load("model_scores"), catalog.load("model_differences")
        level = self._context.experiment.evaluation.interval_level
        click.echo()
        print_parts(console_table(scores, differences, level=level), most_width=PAGE_WIDTH)
        report = _shown(self._context.data_root / _MODEL_REPORT, self._context)
        click.echo(f"\nReport        {report}")
        click.echo(where_runs_are(self._context.mlflow, self._context.env))

    def _print_comparison(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        assert self._context is not None
        from pmd_pipeline.reporting.console import PAGE_WIDTH, print_parts
        from pmd_pipeline.reporting.run_page.coverage import Coverage
        from pmd_pipeline.reporting.run_page.final_table import console_table
        from pmd_pipeline.reporting.run_page.summary import lead_sentences
        from pmd_pipeline.tracking.configuration import where_runs_are

        report = self._context.data_root / _REPORT
        env = self._context.env
        click.echo()
        comparison = catalog.load("comparison")
        coverage = Coverage.of_experiment(self._context.experiment)
        # Where the comparison alone was asked for, nothing is said of pairs.
        gains = pairs = None
        verdicts = []
        if {"gains", "pairs"} <= pipeline.datasets():
            gains, pairs = catalog.load("gains"), catalog.load("pairs")
            verdicts = lead_sentences(comparison, gains, pairs, coverage)
        table = console_table(
            comparison, intervals=coverage.intervals, gains=gains, pairs=pairs, verdicts=verdicts
        )
        print_parts(table, most_width=PAGE_WIDTH)
        click.echo()
        click.echo(f"Report        {_shown(report, self._context)}")
        click.echo(where_runs_are(self._context.mlflow, env))
        if is_project():
            click.echo(f"Lineage       {kedro('viz run', env)}, then\n  {_LINEAGE}")


def _shown(path: Path, context: ExperimentContext) -> Path:
    """Return a path as seen from the project's folder, which it may lie outside of."""
    is_inside = path.is_relative_to(context.project_path)
    return path.relative_to(context.project_path) if is_inside else path
