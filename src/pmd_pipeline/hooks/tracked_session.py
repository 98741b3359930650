"""What the MLflow hook does in one session: one run per ``kedro run``, one child run per
training run.

It keeps what kedro-mlflow's hook does for datasets of its own kinds. That one would log typed
parameters as one unreadable text, and let training wait for a server.
"""

import logging
import os
import warnings
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from functools import partial
from typing import Any

import mlflow
import pandas as pd
from kedro.io import DataCatalog
from kedro.io.core import VERSION_FORMAT
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT

from pmd_pipeline.config.evaluate_models import EVALUATE_MODELS
from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.datasets.results import ResultDataset
from pmd_pipeline.flat_parameters import flatten
from pmd_pipeline.hooks.best_models import best_models
from pmd_pipeline.hooks.resume import ResumeHook
from pmd_pipeline.hooks.run_state import RunState, load_run_state
from pmd_pipeline.hooks.tracked_facts import run_title
from pmd_pipeline.hooks.tracked_models import (
    TrackedModels,
    compares_models,
    evaluated_models,
)
from pmd_pipeline.hooks.tracked_results import TrackedResults, log_completions
from pmd_pipeline.hooks.tracked_rollouts import RolloutSample
from pmd_pipeline.hooks.tracked_training_runs import TrackedTrainingRuns, namespace_of
from pmd_pipeline.reporting.run_page.description import training_run_description
from pmd_pipeline.shell import kedro
from pmd_pipeline.tracking.configuration import read_config, use
from pmd_pipeline.tracking.data_inputs import eval_inputs, train_inputs
from pmd_pipeline.tracking.metrics import evaluation_metrics, round_metrics
from pmd_pipeline.tracking.provenance import git_commit, package_versions
from pmd_pipeline.tracking.runs import TrackedRuns
from pmd_pipeline.tracking.store import TrackingStore, connect, connect_or_continue
from pmd_pipeline.tracking.system_metrics import SystemMetrics, seconds_between

with warnings.catch_warnings(record=True):
    # MLflow warns about a class of kedro-mlflow, whatever the filters say; not about our code.
    from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook
    from kedro_mlflow.framework.hooks.utils import (
        _assert_mlflow_enabled,
        _generate_kedro_command,
    )

_PARENT = ""
_INITIAL_METRICS = "initial.eval_metrics"
_PROBLEMS = {"train_problems": train_inputs, "eval_problems": eval_inputs}
_RUN_ID = "MLFLOW_RUN_ID"
_COMMAND_OPTIONS = ("tags", "node_names", "from_nodes", "to_nodes", "from_inputs", "load_versions")

_logger = logging.getLogger(__name__)


class TrackedSession(MlflowHook):
    """Logs parameters, metrics, figures and tables as the catalog saves them.

    ``TrackingHook`` calls its methods, which have the names of Kedro's hooks.

    Args:
        context: The session's.
        resume: Knows the state of the run.
    """

    def __init__(self, context: ExperimentContext, resume: ResumeHook) -> None:
        super().__init__()
        self._resume = resume
        self._context = context
        self._store: TrackingStore | None = None
        self._runs: TrackedRuns | None = None
        self._catalog: DataCatalog
        self._outer_run: mlflow.ActiveRun | None = None
        self._parent: str
        self._training: TrackedTrainingRuns
        self._models: TrackedModels
        self._results: TrackedResults
        self._rollouts: RolloutSample
        self._digests: dict[str, str] = {}
        self._system: SystemMetrics | None = None
        # Nothing is contacted: most commands that make a context have no need of the store.
        self.mlflow_config = read_config(context.config_loader, context.project_path)
        use(self.mlflow_config)
        # What `kedro mlflow ui` reads; the context's class is frozen.
        context.__setattr__("mlflow", self.mlflow_config)

    def reach_store(self, run_params: dict[str, Any]) -> None:
        """Ask the store whether it works, before anything of the run begins.

        Raises:
            TrackingError: If it does not, unless the run continues one that the store knows.
        """
        self._store, self._runs = None, None
        self._is_mlflow_enabled = _assert_mlflow_enabled(
            run_params["pipeline_names"] or ["__default__"], self.mlflow_config
        )
        if not self._is_mlflow_enabled:
            return
        is_continued = run_params["only_missing_outputs"]
        former = (
            load_run_state(self._context.data_root, self._context.env) if is_continued else None
        )
        self._store = connect_or_continue(
            self.mlflow_config,
            self._context,
            list(former.mlflow_runs.values()) if former is not None else [],
            env=self._context.env,
        )

    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        if not self._is_mlflow_enabled:
            super().before_pipeline_run(run_params, pipeline, catalog)
            return
        state = self._resume.state
        assert state is not None
        context, config = self._context, self.mlflow_config
        former = dict(state.mlflow_runs)
        is_of_models = compares_models(pipeline)
        # Beside the run that has trained, whose policies it may look at.
        own = EVALUATE_MODELS if is_of_models else _PARENT
        runs = TrackedRuns(
            context.data_root,
            config.tracking.experiment.name,
            self._store,
            lambda: connect(config, context),
        )
        self._runs, self._catalog = runs, catalog
        self._outer_run = mlflow.active_run()
        outer = self._outer_run.info.run_id if self._outer_run is not None else None
        chosen = former.get(own) or config.tracking.run.id or outer or os.environ.get(_RUN_ID)
        who = {**resolve_tags(), MLFLOW_GIT_COMMIT: git_commit(context.project_path) or "unknown"}
        parent = runs.open(self._run_name(run_params), who, chosen)
        parameters = flatten(context.experiment.model_dump(mode="json"))
        runs.log_parameters(parent, parameters)
        runs.set_tags(parent, {**self._run_tags(run_params), **who, "data_version": state.version})
        self._parent = parent
        self._results = TrackedResults(runs, parent, context, catalog)
        self._rollouts = RolloutSample(runs, catalog, context.experiment.tracking.traces)
        self._training = TrackedTrainingRuns(runs, parent, context.experiment, who)
        self._training.expect(pipeline, self._resume.given, former)
        ids = self._training.ids
        if ids:
            self._results.offer_charts()
        self._models = TrackedModels(runs, parent, context.experiment, who)
        self._models.open(evaluated_models(pipeline, self._resume.given), former)
        state.mlflow_runs = {**former, own: parent, **ids, **self._models.keys()}
        state.mlflow_trained |= {name: ids[name] for name in self._training.trained}
        state.save(context.data_root)
        unread = {"train_problems"} if is_of_models else set()
        self._log_what_is_there(state, _PROBLEMS.keys() - unread)
        if self._store is not None:
            # For code of the user that logs through MLflow's own functions.
            os.environ[_RUN_ID] = parent
        self._watch_system(state)

    def before_node_run(self, node: Node) -> None:
        if self._runs is not None:
            self._training.begin_node(node)
            self._models.begin_node(node)

    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        if self._runs is None:
            return
        if self._models.take_saved(dataset_name, data, node):
            return
        own = self._training.ids.get(namespace_of(node) or "")
        if own is not None:
            self._log_of_training_run(own, dataset_name, data)
            self._rollouts.log(own, dataset_name, data)
            self._training.note_saved(dataset_name, data, node)
            return
        if dataset_name in _PROBLEMS:
            self._log_problems(dataset_name, data)
        elif dataset_name == _INITIAL_METRICS:
            self._training.log_initial(evaluation_metrics(data))
        elif dataset_name == "comparison_by_seed":
            self._register_best_policies(data)
        self._results.log(dataset_name, data)

    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        if not self._is_mlflow_enabled:
            super().after_pipeline_run(run_params, pipeline, catalog)
            return
        self._end("FINISHED", others="FINISHED")

    def on_pipeline_error(
        self,
        error: Exception,
        run_params: dict[str, Any],
        pipeline: Pipeline,
        catalog: DataCatalog,
    ) -> None:
        if not self._is_mlflow_enabled:
            super().on_pipeline_error(error, run_params, pipeline, catalog)
            return
        self._end("FAILED", others="KILLED")

    def kill(self) -> None:
        """End everything as KILLED: the run was interrupted from outside."""
        self._end("KILLED", others="KILLED")

    def _end(self, status: str, *, others: str) -> None:
        """End all runs, and wait a little until that has been sent.

        Args:
            status: Of the parent run, and of the training run at work.
            others: Status of the other training runs that are not done.
        """
        if self._runs is None:
            return
        if self._system is not None:
            self._system.stop()
            self._system = None
        runs, self._runs = self._runs, None
        self._training.end(status, others=others)
        self._models.end(status, others=others)
        self._results.finish()
        if self._outer_run is None:
            runs.end(self._parent, status)
            os.environ.pop(_RUN_ID, None)
            _end_active_runs(status)
        told = runs.close(kedro("mlflow-sync", self._context.env))
        if told is not None:
            _logger.warning("%s", told)

    def _log_of_training_run(self, run: str, dataset_name: str, data: Any) -> None:
        """Log what one training run has saved: a phase's rounds and its evaluation."""
        assert self._runs is not None
        name = dataset_name.rpartition(".")[2]
        if name == "round_metrics" and isinstance(data, dict):
            for table in data.values():
                metrics, step = round_metrics(table)
                self._runs.log_metrics(run, metrics, step=step)
        elif name == "eval_metrics":
            step = self._evaluated_round(dataset_name)
            self._runs.log_metrics(run, evaluation_metrics(data), step=step)
        elif name == "eval_completions":
            step = self._evaluated_round(dataset_name)
            log_completions(self._runs, run, data, f"round_{step:05d}")
        elif name == "comparison":
            self._runs.describe(run, training_run_description(data))

    def _watch_system(self, state: RunState) -> None:
        """Log the load of this machine to the parent run, if asked."""
        seconds = seconds_between(self._context.experiment.tracking.system_metrics_seconds)
        assert self._runs is not None
        if seconds is not None:
            log = partial(self._runs.log_metrics, self._parent)
            began = datetime.strptime(state.version, VERSION_FORMAT).replace(tzinfo=UTC)
            self._system = SystemMetrics(seconds, began, log)

    def _log_what_is_there(self, state: RunState, problems: AbstractSet[str]) -> None:
        """Log results of former sessions that runs of this one build on."""
        assert self._runs is not None
        for name in _PROBLEMS:
            if name in state.files and name in problems:
                self._log_problems(name, self._catalog.load(name))
        if _INITIAL_METRICS in state.files:
            self._training.log_initial(evaluation_metrics(self._catalog.load(_INITIAL_METRICS)))
        self._results.know_figures(state)

    def _log_problems(self, name: str, problems: pd.DataFrame) -> None:
        """Log problems as data set inputs of all runs."""
        assert self._runs is not None
        dataset = self._catalog.get(name)
        assert isinstance(dataset, ResultDataset)
        path = os.path.relpath(dataset.files()[0], self._context.project_path)
        inputs = _PROBLEMS[name](problems, path)
        self._digests |= {data.name: data.digest for data in inputs}
        for run in (self._parent, *self._models.open_ids()):
            self._runs.log_inputs(run, inputs)
        self._training.log_inputs(inputs)

    def _register_best_policies(self, comparison_by_seed: pd.DataFrame) -> None:
        state = self._resume.state
        assert self._runs is not None
        assert state is not None
        for run, model in best_models(comparison_by_seed, self._context, state, self._digests):
            self._runs.register_best(run, model)

    def _run_name(self, run_params: dict[str, Any]) -> str:
        stages = ", ".join(run_params["pipeline_names"] or ["all stages"])
        chosen: str | None = self.mlflow_config.tracking.run.name
        if chosen:
            return chosen
        # Other models than the one that is trained have child runs with their own names.
        is_of_models = run_params["pipeline_names"] == [EVALUATE_MODELS]
        return f"{run_title(self._context, trains=not is_of_models)}: {stages}"

    def _run_tags(self, run_params: dict[str, Any]) -> dict[str, str]:
        names = run_params["pipeline_names"] or ["__default__"]
        options = {key: run_params[key] for key in _COMMAND_OPTIONS}
        return {
            # Of runners there is one; its text names an address in memory.
            **{k: str(v) for k, v in run_params.items() if v and k != "runner"},
            "kedro_command": _generate_kedro_command(**options, pipeline_names=names),
            **{f"version.{name}": text for name, text in package_versions().items()},
        }

    def _evaluated_round(self, dataset_name: str) -> int:
        """Return the round after which a policy of a training run was evaluated."""
        phase = int(dataset_name.split(".")[-2].removeprefix("phase_"))
        return phase * self._context.experiment.training.rounds_per_phase


def _end_active_runs(status: str) -> None:
    """End what code of the user has begun by MLflow's own functions."""
    try:
        while mlflow.active_run():
            mlflow.end_run(status)
    except (MlflowException, OSError) as error:
        _logger.warning("a run begun by MLflow's own functions cannot be ended: %s", error)
