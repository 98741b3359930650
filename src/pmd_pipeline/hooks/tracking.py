"""The MLflow hook: one run per ``kedro run``, one child run per algorithm.

It extends kedro-mlflow's hook, which reads ``mlflow.yml`` and opens and closes the parent run, and
replaces its logging of node parameters: typed parameters would be logged as one unreadable text.
"""

import logging
import warnings
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from mlflow.tracking import MlflowClient

from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.flat_parameters import flatten
from pmd_pipeline.hooks.resume import ResumeHook
from pmd_pipeline.hooks.stages import stage_of
from pmd_pipeline.tracking.place import placed_in_project
from pmd_pipeline.tracking.provenance import git_commit, package_versions
from pmd_pipeline.tracking.runs import (
    AlgorithmRuns,
    end_active_runs,
    log_figure,
    log_metrics,
    log_parameters,
    run_exists,
)

with warnings.catch_warnings(record=True):
    # MLflow warns about a class of kedro-mlflow, whatever the filters say; not about our code.
    from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook

# The package sets its own level to INFO when it is imported.
logging.getLogger("kedro_mlflow").setLevel(logging.WARNING)

_PARENT = ""


_hooks: list["TrackingHook"] = []


def kill_open_runs() -> None:
    """End every open run as KILLED: the process is interrupted from outside."""
    for hook in _hooks:
        hook.kill()


class TrackingHook(MlflowHook):
    """Logs parameters, metrics, figures and tables as the catalog saves them."""

    def __init__(self, resume: ResumeHook) -> None:
        super().__init__()
        self._resume = resume
        self._context: ExperimentContext | None = None
        self._runs: AlgorithmRuns | None = None
        self._unfinished: dict[str, set[str]] = {}
        self._current: str | None = None
        _hooks.append(self)

    @hook_impl
    def after_context_created(self, context: ExperimentContext) -> None:
        context.config_loader["mlflow"] = placed_in_project(
            context.config_loader["mlflow"], context.project_path
        )
        super().after_context_created(context)
        self._context = context

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        state = self._resume.state
        assert state is not None
        assert self._context is not None
        former = dict(state.mlflow_runs)
        client: MlflowClient = self.mlflow_config.server._mlflow_client
        if _PARENT in former and run_exists(client, former[_PARENT]):
            self.mlflow_config.tracking.run.id = former[_PARENT]
        if self.mlflow_config.tracking.run.name is None:
            names = run_params["pipeline_names"] or ["all stages"]
            self.mlflow_config.tracking.run.name = (
                f"{self._context.env or 'base'}, seed {self._context.experiment.seed}: "
                f"{', '.join(names)}"
            )
        super().before_pipeline_run(run_params, pipeline, catalog)
        self._runs = None
        if not self._is_mlflow_enabled:
            return
        experiment = self._context.experiment
        parameters = flatten(experiment.model_dump(mode="json"))
        log_parameters(client, self.run_id, parameters)
        tags = {f"version.{name}": text for name, text in package_versions().items()}
        tags["mlflow.source.git.commit"] = git_commit(self._context.project_path) or "unknown"
        tags["data_version"] = state.version
        for name, text in tags.items():
            client.set_tag(self.run_id, name, text)

        experiment_id = self.mlflow_config.tracking.experiment._experiment.experiment_id
        self._runs = AlgorithmRuns(client, experiment_id, self.run_id)
        self._unfinished = {label: set() for label in experiment.training.algorithms}
        for node in pipeline.nodes:
            label = self._label_of(node)
            if label is not None:
                self._unfinished[label].add(node.name)
        self._unfinished = {label: names for label, names in self._unfinished.items() if names}
        for label in self._unfinished:
            self._runs.open(label, former.get(label))
            own = {
                f"algorithm.{key.removeprefix(f'algorithms.{label}.')}": value
                for key, value in parameters.items()
                if key.startswith(f"algorithms.{label}.")
            }
            shared = {
                key: value
                for key, value in parameters.items()
                if not key.startswith(("algorithms.", "training.algorithms"))
            }
            self._runs.log_parameters(label, {**own, **shared})
        state.mlflow_runs = {**former, _PARENT: self.run_id, **self._runs.run_ids}
        state.save(self._context.data_root)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        self._current = self._label_of(node)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        if self._runs is None:
            return
        assert self._context is not None
        label = self._label_of(node)
        name = dataset_name.rpartition(".")[2]
        if isinstance(data, go.Figure):
            log_figure(data, f"figures/{name}.html", self.run_id)
        elif name.endswith("_images"):
            for figure_name, figure in data.items():
                log_figure(figure, f"figures/{figure_name}.png", self.run_id)
        elif name == "round_metrics" and isinstance(data, dict) and label is not None:
            self._log_round(label, data)
        elif name == "eval_metrics":
            for target in [label] if label is not None else self._runs.run_ids:
                self._log_evaluation(target, data, self._evaluated_round(dataset_name))
        elif name == "eval_completions" and label is not None:
            step = self._evaluated_round(dataset_name)
            self._runs.log_table(label, data, f"completions/round_{step:05d}.json")
        elif dataset_name == "comparison":
            self._log_final(data)
        elif dataset_name == "report":
            self.mlflow_config.server._mlflow_client.log_text(self.run_id, data, "report.html")
        if label is not None and node.name in self._unfinished.get(label, ()):
            self._finish_when_done(label, dataset_name, data, node)

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        if self._runs is not None:
            for label in self._unfinished:
                self._runs.end(label, "FINISHED")
        super().after_pipeline_run(run_params, pipeline, catalog)

    @hook_impl
    def on_pipeline_error(
        self,
        error: Exception,
        run_params: dict[str, Any],
        pipeline: Pipeline,
        catalog: DataCatalog,
    ) -> None:
        self._end_unfinished(failed=self._current)
        super().on_pipeline_error(error, run_params, pipeline, catalog)

    def kill(self) -> None:
        """End everything as KILLED: the run was interrupted from outside."""
        self._end_unfinished(failed=None)
        end_active_runs("KILLED")

    def _end_unfinished(self, failed: str | None) -> None:
        """The algorithm at fault FAILED; the others that were not done were KILLED by it."""
        if self._runs is None:
            return
        for label, names in self._unfinished.items():
            if not names:
                self._runs.end(label, "FINISHED")
            else:
                self._runs.end(label, "FAILED" if label == failed else "KILLED")

    def _finish_when_done(self, label: str, dataset_name: str, data: Any, node: Node) -> None:
        # A training node saves once per round; only its last state ends the phase.
        is_training = stage_of(node).startswith("training.")
        if not is_training or (dataset_name.endswith(".policy") and data.is_last):
            self._unfinished[label].discard(node.name)

    def _log_round(self, label: str, partitions: dict[str, pd.DataFrame]) -> None:
        assert self._runs is not None
        for table in partitions.values():
            row = {
                str(name): float(value)
                for name, value in table.iloc[0].drop(["algorithm", "round"]).items()
            }
            self._runs.log_metrics(label, row, step=int(table["round"].iloc[0]))

    def _log_evaluation(self, label: str, table: pd.DataFrame, step: int) -> None:
        assert self._runs is not None
        self._runs.log_metrics(label, _evaluation_metrics(table), step=step)

    def _log_final(self, comparison: pd.DataFrame) -> None:
        """Log each algorithm's last evaluation to the parent run, to sort experiments by."""
        for label, rows in comparison.groupby("algorithm"):
            last = rows[rows["round"] == rows["round"].max()]
            metrics = {
                f"{label}.{name}": value for name, value in _evaluation_metrics(last).items()
            }
            client = self.mlflow_config.server._mlflow_client
            log_metrics(client, self.run_id, metrics, step=int(rows["round"].max()))

    def _evaluated_round(self, dataset_name: str) -> int:
        """Return the round after which the policy was evaluated; 0 for the initial one."""
        assert self._context is not None
        parts = dataset_name.split(".")
        if parts[0] == "initial":
            return 0
        phase = int(parts[1].removeprefix("phase_"))
        return phase * self._context.experiment.training.rounds_per_phase

    def _label_of(self, node: Node) -> str | None:
        kind, _, label = stage_of(node).partition(".")
        return label if kind in ("training", "evaluation") and label != "initial" else None


def _evaluation_metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return legal metric names: ``eval.<set>.avg_at_4`` and so on."""
    return {
        f"eval.{eval_set}.{_with_k(metric, k)}": float(value)
        for eval_set, metric, k, value in zip(
            table["eval_set"], table["metric"], table["k"], table["value"], strict=True
        )
    }


def _with_k(metric: str, k: int) -> str:
    return f"{metric.removesuffix('_k')}_{k}" if metric.endswith("_at_k") else metric
