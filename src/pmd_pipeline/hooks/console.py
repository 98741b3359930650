"""What a run prints when it is done."""

import click
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from pmd_pipeline.context import ExperimentContext


class ConsoleHook:
    """Prints the comparison and where to find more."""

    def __init__(self) -> None:
        self._context: ExperimentContext | None = None

    @hook_impl
    def after_context_created(self, context: ExperimentContext) -> None:
        self._context = context

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        assert self._context is not None
        if "comparison" not in pipeline.datasets():
            return
        from pmd_pipeline.reporting.console import print_parts
        from pmd_pipeline.reporting.run_page.final_table import console_table
        from pmd_pipeline.tracking.configuration import command

        report = self._context.data_root / "08_reporting" / "report.html"
        env = self._context.env
        click.echo()
        print_parts(console_table(catalog.load("comparison")))
        click.echo()
        click.echo(f"Report        {report.relative_to(self._context.project_path)}")
        click.echo(f"MLflow runs   {command('mlflow ui', env)}   -> http://127.0.0.1:5000")
        click.echo(f"Lineage       {command('viz run', env)}     -> http://127.0.0.1:4141")
