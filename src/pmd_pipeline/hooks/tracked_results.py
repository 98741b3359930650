"""What MLflow gets of a run's results: tables, figures, the report, and what was found."""

from typing import Any

import pandas as pd
from kedro.io import DataCatalog

from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.datasets.results import ResultDataset
from pmd_pipeline.hooks.run_state import RunState
from pmd_pipeline.hooks.tracked_facts import coverage_tags, run_title
from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure
from pmd_pipeline.reporting.figures_page import figures_page
from pmd_pipeline.reporting.run_page.coverage import Coverage
from pmd_pipeline.reporting.run_page.description import run_description
from pmd_pipeline.tracking.chart_views import CHARTS_PLACE, artifact_place, chart_view
from pmd_pipeline.tracking.metrics import final_metrics
from pmd_pipeline.tracking.runs import TrackedRuns

# Kept with the run as they are: MLflow shows CSV files as tables.
_TABLES = ("comparison", "comparison_by_seed", "gains", "pairs", "budgets", "round_metrics")
_FIGURE = "figure_"
# What a completion is looked at for comes first.
_COMPLETION_COLUMNS = ("problem", "response", "answer", "gold", "correct", "reward")


class TrackedResults:
    """The results of one session's parent run.

    Args:
        runs: Of this process.
        parent: The run: its id or key.
        context: The session's.
        catalog: Has the results.
    """

    def __init__(
        self, runs: TrackedRuns, parent: str, context: ExperimentContext, catalog: DataCatalog
    ) -> None:
        self._runs = runs
        self._parent = parent
        self._context = context
        self._catalog = catalog
        self._has_charts = False
        self._figures: dict[str, InteractiveFigure] = {}

    def offer_charts(self) -> None:
        """Keep a view of the charts of the training runs below, and lead to it."""
        experiment = self._context.experiment
        eval_sets = list(experiment.data_preparation.evals)
        view = chart_view(eval_sets, experiment.evaluation.num_samples)
        self._runs.offer_charts(self._parent, view)
        self._has_charts = True

    def know_figures(self, state: RunState) -> None:
        """Put figures that former sessions have drawn on the page of this one's."""
        for name in sorted(state.files):
            if name.startswith(_FIGURE) and self._catalog.exists(name):
                self._figures[name.removeprefix(_FIGURE)] = self._catalog.load(name)

    def log(self, dataset_name: str, data: Any) -> None:
        """Log what a node has just saved, if it is a result of the whole run."""
        runs, parent = self._runs, self._parent
        if isinstance(data, InteractiveFigure):
            self._figures[dataset_name.removeprefix(_FIGURE)] = data
        elif dataset_name.endswith("_images"):
            # As the catalog has just drawn them; drawing takes longer than anything else here.
            for name, path in self._catalog.load(dataset_name).items():
                runs.log_file(parent, path.read_bytes(), f"figures/{name}.png")
        elif dataset_name in _TABLES:
            self._log_table(dataset_name, data)
        elif dataset_name == "report":
            runs.log_file(parent, data, "report.html")
            self._describe()

    def finish(self) -> None:
        """Log the page with all interactive figures: each of its own would hold plotly.js again."""
        if self._figures:
            trained_first = sorted(self._figures, key=lambda name: name.startswith("theory_"))
            figures = {name: self._figures[name] for name in trained_first}
            page = figures_page(f"Figures: {run_title(self._context)}", figures)
            self._runs.log_file(self._parent, page, "figures.html")

    def _log_table(self, name: str, table: pd.DataFrame) -> None:
        dataset = self._catalog.get(name)
        assert isinstance(dataset, ResultDataset)
        content = dataset.files()[0].read_bytes()
        self._runs.log_file(self._parent, content, f"tables/{name}.csv")
        if name == "comparison":
            # Each algorithm's last evaluation, to sort experiments by.
            for metrics, step in final_metrics(table):
                self._runs.log_metrics(self._parent, metrics, step=step)
            self._runs.set_tags(self._parent, coverage_tags(self._context.experiment))

    def _describe(self) -> None:
        """Let the run's page begin with what was found, and where more is."""
        comparison, gains, pairs = map(self._catalog.load, ("comparison", "gains", "pairs"))
        coverage = Coverage.of_experiment(self._context.experiment)
        places = (
            f"[Report]({artifact_place('report.html')}), "
            f"[figures]({artifact_place('figures.html')})"
        )
        if self._has_charts:
            places += f", [charts of the training runs]({CHARTS_PLACE})"
        # MLflow folds a description after a few lines.
        text = run_description(comparison, gains, pairs, coverage, links=places)
        self._runs.describe(self._parent, text)


def log_completions(runs: TrackedRuns, run: str, completions: pd.DataFrame, name: str) -> None:
    """Log an evaluation's completions as a table, what they are looked at for first."""
    first = [column for column in _COMPLETION_COLUMNS if column in completions]
    ordered = completions[[*first, *completions.columns.difference(first, sort=False)]]
    runs.log_table(run, ordered, f"completions/{name}.json")
