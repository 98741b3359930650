"""The hook that makes runs resumable and never mixes results of different parameters or data."""

import logging
import time
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.hooks.changes import Parameters
from pmd_pipeline.hooks.intent import Intent, intent_of_run, refuse_concurrency
from pmd_pipeline.hooks.lock import DataLock, hold
from pmd_pipeline.hooks.machine import differences, machine_facts
from pmd_pipeline.hooks.models import model_checksums
from pmd_pipeline.hooks.plan import Plan
from pmd_pipeline.hooks.results import Results, shortened, source_digests
from pmd_pipeline.hooks.run_state import Change, ResumeError, RunState, load_run_state
from pmd_pipeline.hooks.stages import READS_SOURCES, is_kept, is_training, stage_of
from pmd_pipeline.shell import kedro

_logger = logging.getLogger(__name__)


class ResumeHook:
    """Records what a run has started, with which parameters and from which data."""

    def __init__(self) -> None:
        self.state: RunState | None = None
        self._context: ExperimentContext
        self._lock: DataLock | None = None
        self._results: Results
        self._given: set[str] = set()
        self._started_at: dict[str, float] = {}

    @property
    def given(self) -> set[str]:
        """Names of the nodes whose results the run takes as they are."""
        return self._given

    def outdated(self, stage: str) -> list[str]:
        """Return the nodes of a stage that were made from other results than those there now.

        Args:
            stage: Its name. Nodes of it that have not run count as up to date.
        """
        from pmd_pipeline.pipeline_registry import register_pipelines

        assert self.state is not None
        known = self.state.consumed
        nodes = [
            node
            for node in register_pipelines()["__default__"].nodes
            if stage_of(node) == stage and node.name in known
        ]
        changed = self._results.mixed(node.name for node in nodes)
        return [
            node.name
            for node in nodes
            if node.name in changed
            or known[node.name].keys() != self._results.of(node.inputs).keys()
        ]

    @property
    def _data_root(self) -> Path:
        return self._context.data_root

    def _kedro(self, arguments: str) -> str:
        return kedro(arguments, self._context.env)

    @hook_impl
    def after_context_created(self, context: ExperimentContext) -> None:
        self._context = context

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        refuse_concurrency(str(run_params["runner"]))
        self._lock = hold(self._data_root)
        can_skip = bool(run_params["only_missing_outputs"])
        intent = intent_of_run(only_missing_outputs=can_skip)
        version = str(run_params["run_id"])
        former = self._former(intent)
        self._results = Results(former or RunState(version=version), catalog, self._data_root)
        self.state = self._results.state
        self._started_at = {}
        if former is None and intent is not Intent.OVERWRITE:
            self._refuse_unknown(pipeline)
        parameters = Parameters(self._context.experiment, model_checksums(pipeline, catalog))
        plan = Plan(pipeline, self._results, parameters, self._context.env)
        plan.build_on_others()
        if intent is Intent.DEFAULT and any(is_kept(node) for node in pipeline.nodes):
            intent = Intent.CONTINUE
            if not can_skip:
                self._refuse_repeated_training(pipeline)
        if intent is Intent.CONTINUE and can_skip:
            plan.go_on(source_digests(self._context.experiment.data_preparation))
        else:
            plan.start_over(version, asks=intent is not Intent.OVERWRITE)
        self._given = plan.given
        self._say_what_is_kept(pipeline, plan)
        is_left = any(node.name not in plan.given for node in pipeline.nodes)
        self._note_machine(goes_on=bool(plan.given) and is_left)
        for stage in {stage_of(node) for node in pipeline.nodes}:
            self.state.stage_parameters[stage] = parameters.of_stage(stage)
        self.state.save(self._data_root)

    @hook_impl
    def before_node_run(self, is_async: bool) -> None:
        refuse_concurrency(None, is_async=is_async)

    @hook_impl(tryfirst=True)
    def before_dataset_loaded(self, dataset_name: str, node: Node) -> None:
        # before_node_run comes after the inputs are loaded, and a resume point is an input.
        assert self.state is not None
        if node.name not in self._started_at:
            self._started_at[node.name] = time.perf_counter()
            self._begin(node, self.state)
        if dataset_name == "run_state":  # read from the file alone
            self.state.save(self._data_root)

    @hook_impl(tryfirst=True)
    def before_dataset_saved(self, dataset_name: str, data: Any) -> None:
        assert self.state is not None
        forgotten = self._results.replaced_files(dataset_name, data)
        if forgotten:
            # A run killed between the save and the new digests must not leave the former ones.
            self.state.note(Change(forgotten={dataset_name: forgotten}), self._data_root)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        # after_node_run comes after a generator's first chunk; each save extends the node's time.
        assert self.state is not None
        now = time.perf_counter()
        seconds = now - self._started_at[node.name]
        self._started_at[node.name] = now
        former = self.state.node_seconds.get(node.name, 0.0)
        records = self._results.records_of(dataset_name, data)
        self.state.note(
            Change(
                files={dataset_name: records} if records else {},
                node_seconds={node.name: former + seconds},
            ),
            self._data_root,
        )
        self._refuse_other_content(node)

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        assert self.state is not None
        try:
            self.state.save(self._data_root)
        finally:
            self._release()

    @hook_impl(trylast=True)
    def on_pipeline_error(self) -> None:
        self._release()

    def _note_machine(self, *, goes_on: bool) -> None:
        """Record what the bytes depend on; say what differs where a run goes on from results."""
        assert self.state is not None
        facts = machine_facts(self._context.experiment.compute)
        changes = differences(self.state.machine, facts)
        if goes_on and changes:
            _logger.warning(
                "The run goes on on a machine that is not as before: %s. What is made now is as "
                "right, but its last digits may not be those of a run that was not interrupted.",
                "; ".join(changes),
            )
        self.state.machine = facts

    def _former(self, intent: Intent) -> RunState | None:
        try:
            return load_run_state(self._data_root, self._context.env)
        except ResumeError as error:
            if intent is not Intent.OVERWRITE:
                raise
            _logger.warning("Starting afresh: %s.", error)
            return None

    def _begin(self, node: Node, state: RunState) -> None:
        started, consumed = {}, {}
        if node.name not in state.started_nodes:
            for dataset in self._results.of(node.outputs).values():
                dataset.clear()
            started[node.name] = state.version
        if node.name not in state.consumed:
            consumed[node.name] = self._results.inputs_of(node)
        state.note(Change(started_nodes=started, consumed=consumed), self._data_root)
        if node.name == READS_SOURCES:
            state.sources = source_digests(self._context.experiment.data_preparation)
            state.save(self._data_root)

    def _refuse_unknown(self, pipeline: Pipeline) -> None:
        """Refuse to replace results that no run is known to have made."""
        for name, dataset in self._results.of(pipeline.all_outputs()).items():
            if dataset.exists():
                raise ResumeError(
                    f"there are results below {self._data_root} ({name}), but no run_state.json "
                    "that says which run made them; put it back, or replace them with --overwrite"
                )

    def _refuse_repeated_training(self, pipeline: Pipeline) -> None:
        assert self.state is not None
        for node in pipeline.nodes:
            if is_training(node) and node.name in self.state.started_nodes:
                raise ResumeError(
                    f"{self._data_root} has results of {node.name}; go on from them with "
                    "only_missing_outputs=True, or replace them within "
                    "pmd_pipeline.hooks.intent.intending(Intent.OVERWRITE)"
                )

    def _refuse_other_content(self, node: Node) -> None:
        """Refuse to go on if a node's results differ from those that others were made from."""
        outputs = self._results.of(node.outputs)
        if not self._given or not all(dataset.exists() for dataset in outputs.values()):
            return
        followers = self._results.mixed(sorted(self._given), data=node.outputs)
        if followers:
            lines = sorted({line for lines in followers.values() for line in lines})
            raise ResumeError(
                f"{node.name} has come out differently from what {', '.join(followers)} used:\n  "
                + shortened(lines)
                + "\nResults of different data would be mixed; make those again with "
                + self._kedro(f"run --overwrite --from-nodes {','.join(followers)}")
            )

    def _say_what_is_kept(self, pipeline: Pipeline, plan: Plan) -> None:
        assert self.state is not None
        num_nodes = len(pipeline.nodes)
        num_done = sum(node.name in plan.given for node in pipeline.nodes)
        if num_done == num_nodes:
            _logger.info(
                "Nothing is left to do: the results of these parameters are in %s. "
                "%s makes them again.",
                self._data_root,
                self._kedro("run --overwrite"),
            )
        elif num_done:
            _logger.info(
                "Going on with the run of %s: %d of %d nodes are done. %s starts anew.",
                self.state.version,
                num_done,
                num_nodes,
                self._kedro("run --overwrite"),
            )

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
