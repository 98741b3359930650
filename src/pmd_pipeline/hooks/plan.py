"""What a run makes, what it keeps, and what it builds on."""

import logging
from collections.abc import Iterable

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from pmd_pipeline.hooks.changes import Parameters
from pmd_pipeline.hooks.results import Results, shortened
from pmd_pipeline.hooks.run_state import ResumeError, RunState
from pmd_pipeline.hooks.stages import QUICK_STAGES, READS_SOURCES, is_training, stage_of
from pmd_pipeline.shell import kedro

_BUILT_UPON = ("__default__", "evaluate_models")

_logger = logging.getLogger(__name__)

_KEEP_OR_REPLACE = (
    "Nothing has been changed. Set them back to go on; --overwrite replaces the results; to keep "
    "both, use another environment (its results are in data/<env>) or another data_root"
)


class Plan:
    """What a run makes, what it keeps, and what it builds on.

    Attributes:
        again: Names of the nodes whose outputs count as missing.
        given: Names of the nodes whose results the run takes as they are.

    Args:
        pipeline: The nodes that the run was asked for.
        results: What is there; its state is that of the latest run.
        parameters: Of this run.
        env: Its environment, which errors name.
    """

    def __init__(
        self, pipeline: Pipeline, results: Results, parameters: Parameters, env: str | None
    ) -> None:
        self._pipeline = pipeline
        self._results = results
        self._state: RunState = results.state
        self._parameters = parameters
        self._env = env
        self.again: set[str] = set()
        self.given: set[str] = set()

    def build_on_others(self) -> None:
        """Check the results of nodes outside the pipeline that it builds on.

        Raises:
            ResumeError: If they are missing, damaged, or made with other parameters or from other
                data than each other.
        """
        inputs = self._results.of(self._pipeline.inputs())
        inputs.pop("run_state", None)
        if not inputs:
            return
        others = _ancestors(self._pipeline)
        makers = {name: node for node in others for name in node.outputs}
        missing: dict[str, list[str]] = {}
        for name, dataset in inputs.items():
            maker = makers.get(name)
            if maker is None:  # nothing that a run of this project makes
                continue
            if maker.name in self._state.started_nodes:
                self._results.pin(dataset, self._state.started_nodes[maker.name])
                self._results.drop_missing(name)
                self._results.adopt(name, dataset)
            if self._results.digest(name) is None:
                missing.setdefault(stage_of(maker), []).append(name)
        if missing:
            lines = [f"{stage}: {', '.join(names)}" for stage, names in sorted(missing.items())]
            raise ResumeError(
                "these results are needed, but the latest run has not made them:\n  "
                + shortened(lines)
                + "\nRun those stages first, or everything: "
                + kedro("run --only-missing-outputs", self._env)
            )
        self._results.check(inputs)
        names = {node.name for node in others}
        started = [node for node in others if node.name in self._state.started_nodes]
        changes = self._parameters.changes(self._state, {stage_of(node) for node in started})
        for stage, lines in changes.refused.items():
            raise ResumeError(
                f"the results of stage {stage} were made with other parameters:\n  "
                + shortened(lines)
                + "\nThey would be mixed with new ones; set them back, or run that stage again too"
            )
        self._tell(changes.allowed)
        self._refuse_mixture(started)
        self.given |= names

    def start_over(self, version: str, *, asks: bool) -> None:
        """Make every node again.

        Args:
            version: Kedro's save version of the run.
            asks: Whether results of other parameters are kept unless the user says otherwise.

        Raises:
            ResumeError: If such results are there.
        """
        if asks:
            self._refuse_changes(but=QUICK_STAGES)
        self._state.version = version
        self._state.mlflow_runs = {}
        self._make_again(self._pipeline.nodes)

    def go_on(self, sources: dict[str, str]) -> None:
        """Keep what is done and belongs together; make the rest.

        Args:
            sources: Digests of the problem files as they are now.

        Raises:
            ResumeError: If results are damaged, were made with other parameters or from other data.
        """
        started = [node for node in self._pipeline.nodes if self._is_started(node)]
        changed_stages = self._refuse_changes(but=QUICK_STAGES)
        self._refuse_changed_sources(started, sources)
        restarted = self._take_stock(started)
        self._results.check(name for node in started for name in node.outputs)
        stale = [
            node
            for node in started
            if stage_of(node) in changed_stages
            or self._has_other_inputs(node)
            or self._results.mixed([node.name])
        ]
        if stale:
            followers = self._pipeline.from_nodes(*(node.name for node in stale)).nodes
            stale = [node for node in followers if self._is_started(node)]
        if any(is_training(node) for node in stale):
            self._refuse_mixture(stale)
        unstarted = [node for node in self._pipeline.nodes if not self._is_started(node)]
        self._make_again([*unstarted, *restarted, *stale])
        for node in started:
            if node.name not in self.again and self._is_complete(node):
                self.given.add(node.name)
            elif not is_training(node):
                # It runs again, on whatever its inputs are then.
                self._state.consumed.pop(node.name, None)

    def _take_stock(self, started: Iterable[Node]) -> list[Node]:
        """Bring the records up to what is on disk; return the phases that must begin again."""
        restarted = []
        for node in started:
            is_broken = False
            outputs = self._results.of(node.outputs)
            for name, dataset in outputs.items():
                self._results.pin(dataset, self._state.started_nodes[node.name])
                # A round whose tables are gone can only be made again with its whole phase.
                is_broken |= self._results.drop_missing(name) and dataset.grows
                self._results.adopt(name, dataset)
            if is_broken:
                _logger.warning("%s: tables of rounds are gone; it begins again.", node.name)
                restarted.append(node)
                for name in outputs:
                    self._state.files.pop(name, None)
        return restarted

    def _make_again(self, nodes: Iterable[Node]) -> None:
        for node in nodes:
            self.again.add(node.name)
            self._state.forget_node(node.name)
            for name, dataset in self._results.of(node.outputs).items():
                self._state.files.pop(name, None)
                self._results.pin(dataset, self._state.version)
                dataset.outdate()

    def _refuse_changes(self, *, but: frozenset[str]) -> set[str]:
        """Refuse to go on with other parameters; return the changed stages among ``but``."""
        stages = {stage_of(node) for node in self._pipeline.nodes if self._is_started(node)}
        changes = self._parameters.changes(self._state, stages)
        for stage, lines in changes.refused.items():
            if stage not in but:
                raise ResumeError(
                    f"there are results of stage {stage} made with other parameters:\n  "
                    + shortened(lines)
                    + f"\n{_KEEP_OR_REPLACE}"
                )
        self._tell(changes.allowed)
        return set(changes.refused)

    def _refuse_changed_sources(self, started: Iterable[Node], sources: dict[str, str]) -> None:
        if not any(node.name == READS_SOURCES for node in started):
            return
        changed = [
            key for key, digest in self._state.sources.items() if sources.get(key, digest) != digest
        ]
        if changed:
            raise ResumeError(
                "the problems were read from a file that has another content now:\n  "
                + shortened(changed)
                + "\nThe results are of the former content: put it back to go on, or read the file "
                "again with --overwrite"
            )

    def _refuse_mixture(self, nodes: Iterable[Node]) -> None:
        stages = {node.name: stage_of(node) for node in nodes}
        by_stage: dict[str, list[str]] = {}
        for name, lines in self._results.mixed(stages).items():
            by_stage.setdefault(stages[name], []).extend(lines)
        for stage, lines in sorted(by_stage.items()):
            raise ResumeError(
                f"the results of stage {stage} were made from other data than is there now "
                "(digests then and now):\n  "
                + shortened(sorted(set(lines)))
                + "\nResults of different data would be mixed; run that stage and what follows it "
                "again with --overwrite, or bring the former data back"
            )

    def _has_other_inputs(self, node: Node) -> bool:
        """Return True if the node is made from other datasets now: a phase or algorithm more."""
        return set(self._state.consumed.get(node.name, ())) != set(self._results.of(node.inputs))

    def _is_started(self, node: Node) -> bool:
        return node.name in self._state.started_nodes

    def _is_complete(self, node: Node) -> bool:
        return all(dataset.exists() for dataset in self._results.of(node.outputs).values())

    def _tell(self, allowed: Iterable[str]) -> None:
        for line in allowed:
            _logger.warning("Going on with another value of %s.", line)


def _ancestors(pipeline: Pipeline) -> list[Node]:
    """Return the nodes of the whole experiment that a part of it builds on."""
    from pmd_pipeline.pipeline_registry import register_pipelines

    pipelines = register_pipelines()
    # Both have the nodes of the data.
    found = [pipelines[name] for name in _BUILT_UPON if name in pipelines]
    nodes = {node.name: node for pipeline in found for node in pipeline.nodes}
    everything = Pipeline(list(nodes.values()))
    own = {node.name for node in pipeline.nodes}
    known = own & {node.name for node in everything.nodes}
    return [node for node in everything.to_nodes(*known).nodes if node.name not in own]
