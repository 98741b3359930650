"""The hook that makes runs resumable and never mixes results of different parameters."""

import time
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractVersionedDataset, DataCatalog, Version
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.flat_parameters import changed_parameters
from pmd_pipeline.hooks.run_state import ResumeError, RunState, load_run_state
from pmd_pipeline.hooks.stages import stage_of, stage_parameters, upstream_stages


class ResumeHook:
    """Records what a run has started and with which parameters; prepares resumed runs."""

    def __init__(self) -> None:
        self.state: RunState | None = None
        self._data_root = Path()
        self._parameters: dict[str, Any] = {}
        self._algorithms: tuple[str, ...] = ()
        self._catalog: DataCatalog
        self._started_at: dict[str, float] = {}

    @hook_impl
    def after_context_created(self, context: ExperimentContext) -> None:
        experiment: ExperimentConfig = context.experiment
        self._data_root = context.data_root
        self._parameters = experiment.model_dump(mode="json")
        self._algorithms = experiment.training.algorithms

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        self._catalog = catalog
        self._started_at = {}
        former = load_run_state(self._data_root)
        stages = {stage_of(node) for node in pipeline.nodes}
        upstream = set().union(*(upstream_stages(s, self._algorithms) for s in stages)) - stages
        if former is not None:
            self._refuse_changes(former, upstream, resumed=False)
        if run_params["only_missing_outputs"]:
            self.state = self._resume(former, stages, pipeline, catalog)
        else:
            self.state = self._begin(former, str(run_params["run_id"]), pipeline)
        for stage in stages:
            self.state.stage_parameters[stage] = self._of_stage(stage)
        self.state.save(self._data_root)

    @hook_impl(tryfirst=True)
    def before_dataset_loaded(self, node: Node) -> None:
        # before_node_run comes after the inputs are loaded, and a resume point is an input.
        assert self.state is not None
        if node.name not in self.state.started_nodes:
            _clear(node, self._catalog)
            self.state.started_nodes.append(node.name)
            self.state.save(self._data_root)
        self._started_at.setdefault(node.name, time.perf_counter())

    @hook_impl
    def after_dataset_saved(self, node: Node) -> None:
        # after_node_run comes after a generator's first chunk; each save extends the node's time.
        assert self.state is not None
        now = time.perf_counter()
        seconds = now - self._started_at.get(node.name, now)
        self._started_at[node.name] = now
        former = self.state.node_seconds.get(node.name, 0.0)
        self.state.node_seconds[node.name] = former + seconds
        self.state.save(self._data_root)

    def _begin(self, former: RunState | None, version: str, pipeline: Pipeline) -> RunState:
        """Return the state of a fresh run; records of other nodes are kept."""
        names = {node.name for node in pipeline.nodes}
        if former is None:
            return RunState(version=version)
        return RunState(
            version=version,
            started_nodes=[name for name in former.started_nodes if name not in names],
            stage_parameters=former.stage_parameters,
            node_seconds={k: v for k, v in former.node_seconds.items() if k not in names},
        )

    def _resume(
        self,
        former: RunState | None,
        stages: set[str],
        pipeline: Pipeline,
        catalog: DataCatalog,
    ) -> RunState:
        if former is None:
            raise ResumeError(
                f"there is no run to resume below {self._data_root}; start one with kedro run, "
                "without --only-missing-outputs"
            )
        self._refuse_changes(former, stages, resumed=True)
        for node in pipeline.nodes:
            if node.name not in former.started_nodes:
                _clear(node, catalog)
            for name in node.outputs:
                dataset = catalog.get(name)
                if isinstance(dataset, AbstractVersionedDataset) and dataset._version:
                    # Only what the resumed run itself has saved counts as existing.
                    dataset._version = Version(former.version, former.version)
        return former

    def _refuse_changes(self, former: RunState, stages: set[str], *, resumed: bool) -> None:
        for stage in sorted(stages):
            recorded = former.stage_parameters.get(stage)
            if recorded is None:
                continue
            changes = changed_parameters(recorded, self._of_stage(stage))
            if changes:
                remedy = (
                    "set them back to resume, or start afresh with kedro run, without "
                    "--only-missing-outputs"
                    if resumed
                    else "set them back, or run that stage again too"
                )
                raise ResumeError(
                    f"the results of stage {stage} were made with other parameters:\n  "
                    + "\n  ".join(changes)
                    + f"\nThey would be mixed with new ones; {remedy}"
                )

    def _of_stage(self, stage: str) -> dict[str, Any]:
        return stage_parameters(stage, self._parameters, self._algorithms)


def _clear(node: Node, catalog: DataCatalog) -> None:
    for name in node.outputs:
        clear = getattr(catalog.get(name), "clear", None)
        if clear is not None:
            clear()
