"""What the MLflow hook does in one session: one run per ``kedro run``, one child run per
training run.

It keeps what kedro-mlflow's hook does for datasets of its own kinds. That one would log typed
parameters as one unreadable text, and let training wait for a server.
"""

import logging
import os
import warnings
from typing import Any

import mlflow
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from mlflow.exceptions import MlflowException
from mlflow.tracking.context.registry import resolve_tags

from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.flat_parameters import flatten
from pmd_pipeline.hooks.resume import ResumeHook
from pmd_pipeline.hooks.run_state import load_run_state
from pmd_pipeline.hooks.stages import stage_of
from pmd_pipeline.reporting.drawing.interactive import (
    InteractiveFigure,
    page_with_script_from_the_web,
)
from pmd_pipeline.tracking.configuration import command, read_config, use
from pmd_pipeline.tracking.metrics import evaluation_metrics, final_metrics, round_metrics
from pmd_pipeline.tracking.provenance import git_commit, package_versions
from pmd_pipeline.tracking.runs import TrackedRuns, below
from pmd_pipeline.tracking.store import (
    TrackingStore,
    connect,
    connect_or_continue,
    watch_system,
)

with warnings.catch_warnings(record=True):
    # MLflow warns about a class of kedro-mlflow, whatever the filters say; not about our code.
    from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook
    from kedro_mlflow.framework.hooks.utils import (
        _assert_mlflow_enabled,
        _generate_kedro_command,
    )

_PARENT = ""
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
        self._ids: dict[str, str] = {}
        self._unfinished: dict[str, set[str]] = {}
        self._current: str | None = None
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
        former = load_run_state(self._context.data_root) if is_continued else None
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
        runs = TrackedRuns(
            context.data_root,
            config.tracking.experiment.name,
            self._store,
            lambda: connect(config, context),
        )
        self._runs, self._catalog = runs, catalog
        self._outer_run = mlflow.active_run()
        outer = self._outer_run.info.run_id if self._outer_run is not None else None
        chosen = former.get(_PARENT) or config.tracking.run.id or outer or os.environ.get(_RUN_ID)
        parent = runs.open(self._run_name(run_params), resolve_tags(), chosen)
        parameters = flatten(context.experiment.model_dump(mode="json"))
        runs.log_parameters(parent, parameters)
        runs.set_tags(parent, {**self._run_tags(run_params), "data_version": state.version})
        self._unfinished = self._nodes_by_label(pipeline)
        self._ids = {_PARENT: parent}
        for run in context.experiment.training_runs():
            name = run.namespace
            if name in self._unfinished:
                tags = {**below(parent), "algorithm": run.algorithm, "training_seed": str(run.seed)}
                self._ids[name] = runs.open(name, tags, former.get(name))
                runs.log_parameters(self._ids[name], _parameters_of(run.algorithm, parameters))
        state.mlflow_runs = {**former, **self._ids}
        state.save(context.data_root)
        if self._store is not None:
            # For code of the user that logs through MLflow's own functions.
            os.environ[_RUN_ID] = parent
            watch_system(parent, config)

    def before_node_run(self, node: Node) -> None:
        self._current = self._label_of(node)

    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        if self._runs is None:
            return
        label = self._label_of(node)
        name = dataset_name.rpartition(".")[2]
        runs, parent = self._runs, self._ids[_PARENT]
        if isinstance(data, InteractiveFigure):
            runs.log_file(parent, page_with_script_from_the_web(name, data), f"figures/{name}.html")
        elif name.endswith("_images"):
            # As the catalog has just drawn them; drawing takes longer than anything else here.
            for figure_name, path in self._catalog.load(dataset_name).items():
                runs.log_file(parent, path.read_bytes(), f"figures/{figure_name}.png")
        elif name == "round_metrics" and isinstance(data, dict) and label is not None:
            for table in data.values():
                metrics, step = round_metrics(table)
                runs.log_metrics(self._ids[label], metrics, step=step)
        elif name == "eval_metrics":
            step = self._evaluated_round(dataset_name)
            for target in [label] if label is not None else self._unfinished:
                runs.log_metrics(self._ids[target], evaluation_metrics(data), step=step)
        elif name == "eval_completions" and label is not None:
            step = self._evaluated_round(dataset_name)
            runs.log_table(self._ids[label], data, f"completions/round_{step:05d}.json")
        elif dataset_name == "comparison":
            # Each algorithm's last evaluation, to sort experiments by.
            for metrics, step in final_metrics(data):
                runs.log_metrics(parent, metrics, step=step)
        elif dataset_name == "report":
            runs.log_file(parent, data, "report.html")
        if label is not None and node.name in self._unfinished.get(label, ()):
            self._finish_when_done(label, dataset_name, data, node)

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
            status: Of the parent run, and of the algorithm at work.
            others: Status of the other algorithms that are not done.
        """
        if self._runs is None:
            return
        runs, self._runs = self._runs, None
        for label, names in self._unfinished.items():
            own = status if label == self._current else others
            runs.end(self._ids[label], own if names else "FINISHED")
        if self._outer_run is None:
            runs.end(self._ids[_PARENT], status)
            os.environ.pop(_RUN_ID, None)
            _end_active_runs(status)
        told = runs.close(command("mlflow-sync", self._context.env))
        if told is not None:
            _logger.warning("%s", told)

    def _finish_when_done(self, label: str, dataset_name: str, data: Any, node: Node) -> None:
        # A training node saves once per round; only its last state ends the phase.
        is_training = stage_of(node).startswith("training.")
        if not is_training or (dataset_name.endswith(".policy") and data.is_last):
            self._unfinished[label].discard(node.name)

    def _run_name(self, run_params: dict[str, Any]) -> str:
        stages = ", ".join(run_params["pipeline_names"] or ["all stages"])
        seed = self._context.experiment.seed
        chosen: str | None = self.mlflow_config.tracking.run.name
        return chosen or f"{self._context.env or 'base'}, seed {seed}: {stages}"

    def _run_tags(self, run_params: dict[str, Any]) -> dict[str, str]:
        names = run_params["pipeline_names"] or ["__default__"]
        options = {key: run_params[key] for key in _COMMAND_OPTIONS}
        return {
            **{key: str(value) for key, value in run_params.items() if value},
            "kedro_command": _generate_kedro_command(**options, pipeline_names=names),
            **{f"version.{name}": text for name, text in package_versions().items()},
            "mlflow.source.git.commit": git_commit(self._context.project_path) or "unknown",
        }

    def _nodes_by_label(self, pipeline: Pipeline) -> dict[str, set[str]]:
        """Return the nodes of each training run that has any, in the configured order."""
        nodes: dict[str, set[str]] = {
            run.namespace: set() for run in self._context.experiment.training_runs()
        }
        for node in pipeline.nodes:
            label = self._label_of(node)
            if label is not None:
                nodes[label].add(node.name)
        return {label: names for label, names in nodes.items() if names}

    def _evaluated_round(self, dataset_name: str) -> int:
        """Return the round after which the policy was evaluated; 0 for the initial one."""
        parts = dataset_name.split(".")
        if parts[0] == "initial":
            return 0
        phase = int(parts[-2].removeprefix("phase_"))
        return phase * self._context.experiment.training.rounds_per_phase

    def _label_of(self, node: Node) -> str | None:
        kind, _, label = stage_of(node).partition(".")
        return label if kind in ("training", "evaluation") and label != "initial" else None


def _parameters_of(label: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return what concerns one algorithm; its own parameters have no label in their names."""
    prefix = f"algorithms.{label}."
    own = {
        f"algorithm.{key.removeprefix(prefix)}": value
        for key, value in parameters.items()
        if key.startswith(prefix)
    }
    shared = {
        key: value
        for key, value in parameters.items()
        if not key.startswith(("algorithms.", "training.algorithms", "training.seeds"))
    }
    return {**own, **shared}


def _end_active_runs(status: str) -> None:
    """End what code of the user has begun by MLflow's own functions."""
    try:
        while mlflow.active_run():
            mlflow.end_run(status)
    except (MlflowException, OSError) as error:
        _logger.warning("a run begun by MLflow's own functions cannot be ended: %s", error)
