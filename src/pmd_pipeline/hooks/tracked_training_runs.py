"""MLflow's child runs: one per training run that a session has something left to do for."""

from collections.abc import Mapping, Sequence
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.hooks.stages import is_training
from pmd_pipeline.hooks.tracked_facts import (
    data_and_model,
    training_run_name,
    training_run_parameters,
    training_run_tags,
)
from pmd_pipeline.tracking.data_inputs import DataInput
from pmd_pipeline.tracking.runs import TrackedRuns, below
from pmd_pipeline.tracking.store import is_key


class TrackedTrainingRuns:
    """The child runs of one session: each begins with its first node and ends with its last.

    Args:
        runs: Of this process.
        parent: The run that they are below: its id or key.
        experiment: All parameters.
        tags: Of every child run: who runs what.

    Attributes:
        ids: The child run of each training run, by namespace: its id, or the key of one that the
            store has not got yet.
        trained: Namespaces of those that are trained in this session.
    """

    def __init__(
        self,
        runs: TrackedRuns,
        parent: str,
        experiment: ExperimentConfig,
        tags: Mapping[str, str],
    ) -> None:
        self._runs = runs
        self._parent = parent
        self._experiment = experiment
        self._tags = tags
        self._training_runs = {run.namespace: run for run in experiment.training_runs()}
        self._left: dict[str, set[str]] = {}
        self._open: set[str] = set()
        self._current: str | None = None
        self._inputs: list[DataInput] = []
        self._initial: dict[str, float] = {}
        self.ids: dict[str, str] = {}
        self.trained: list[str] = []

    def expect(self, pipeline: Pipeline, done: set[str], former: Mapping[str, str]) -> None:
        """Know which training runs have nodes to run; their child runs begin with these.

        Args:
            pipeline: The session's nodes.
            done: Names of those that will not run.
            former: Child runs of the session that is continued, by namespace.
        """
        for name in self._training_runs:
            nodes = [n for n in pipeline.nodes if namespace_of(n) == name and n.name not in done]
            if nodes:
                self._left[name] = {node.name for node in nodes}
                self.ids[name] = self._runs.reserve(former.get(name))
                if any(map(is_training, nodes)):
                    self.trained.append(name)
            elif name in former:
                # It has ended, and stays as it is.
                self.ids[name] = former[name]

    def begin_node(self, node: Node) -> None:
        """Begin the run whose node this is, and end those that are done."""
        self._current = namespace_of(node)
        for name in [name for name, left in self._left.items() if not left]:
            if name != self._current:
                self._runs.end(self.ids[name], "FINISHED")
                del self._left[name]
        if self._current in self._left and self._current not in self._open:
            self._begin(self._current)

    def note_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Note that a node has saved something: with all but training, it is done."""
        left = self._left.get(namespace_of(node) or "", set())
        # A training node saves once per round; only its last state ends the phase.
        if not is_training(node) or (dataset_name.endswith(".policy") and data.is_last):
            left.discard(node.name)

    def log_inputs(self, inputs: Sequence[DataInput]) -> None:
        """Log what all of them read, to those that have begun and to those that will."""
        self._inputs += inputs
        for run in self._open_ids():
            self._runs.log_inputs(run, inputs)

    def log_initial(self, metrics: Mapping[str, float]) -> None:
        """Log the initial policy's evaluation, with which all of them begin."""
        self._initial = dict(metrics)
        for run in self._open_ids():
            self._runs.log_metrics(run, metrics, step=0)

    def end(self, status: str, *, others: str) -> None:
        """End those that have begun and not ended yet.

        Args:
            status: Of the one at work.
            others: Status of the other ones that are not done.
        """
        for name, left in self._left.items():
            if name in self._open:
                own = status if name == self._current else others if left else "FINISHED"
                self._runs.end(self.ids[name], own)

    def _begin(self, name: str) -> None:
        run, reserved = self._training_runs[name], self.ids[name]
        title = f"{training_run_name(run)} on {data_and_model(self._experiment)}"
        tags = {
            **self._tags,
            **below(self._parent),
            **training_run_tags(run, self._experiment),
        }
        own = self._runs.begin(title, tags, reserved)
        self._open.add(name)
        self._runs.log_parameters(own, training_run_parameters(run, self._experiment))
        if self._inputs:
            self._runs.log_inputs(own, self._inputs)
        if self._initial and is_key(reserved):
            self._runs.log_metrics(own, self._initial, step=0)

    def _open_ids(self) -> list[str]:
        return [self.ids[name] for name in self._left if name in self._open]


def namespace_of(node: Node) -> str | None:
    """Return the namespace of the training run that a node belongs to; None if to all."""
    run = TrainingRun.containing(str(node.namespace))
    return None if run is None else run.namespace
