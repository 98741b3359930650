"""MLflow's child runs: one per training run that a session has something left to do for."""

from collections.abc import Mapping
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.hooks.stages import is_training
from pmd_pipeline.hooks.tracked_facts import (
    training_run_name,
    training_run_parameters,
    training_run_tags,
)
from pmd_pipeline.tracking.runs import TrackedRuns, below


class TrackedTrainingRuns:
    """The child runs of one session; each ends by itself when all of its nodes are done.

    Args:
        runs: Of this process.
        parent: The run that they are below: its id or key.
        experiment: All parameters.

    Attributes:
        ids: The child run of each training run, by namespace: its id or key.
        begun: Namespaces of those that have no former child run.
        trained: Namespaces of those that are trained in this session.
    """

    def __init__(self, runs: TrackedRuns, parent: str, experiment: ExperimentConfig) -> None:
        self._runs = runs
        self._parent = parent
        self._experiment = experiment
        self._left: dict[str, set[str]] = {}
        self._current: str | None = None
        self.ids: dict[str, str] = {}
        self.begun: list[str] = []
        self.trained: list[str] = []

    def open(self, pipeline: Pipeline, done: set[str], former: Mapping[str, str]) -> None:
        """Begin or continue a run for each training run that has nodes to run.

        Args:
            pipeline: The session's nodes.
            done: Names of those that will not run.
            former: Child runs of the session that is continued, by namespace.
        """
        # MLflow's page lists what was made last first: they come in their order there.
        for run in reversed(self._experiment.training_runs()):
            name = run.namespace
            nodes = [n for n in pipeline.nodes if namespace_of(n) == name and n.name not in done]
            if nodes:
                self._left[name] = {node.name for node in nodes}
                self.ids[name] = self._open(run, former.get(name))
                if any(map(is_training, nodes)):
                    self.trained.append(name)
            elif name in former:
                # It has ended, and stays as it is.
                self.ids[name] = former[name]

    def begin_node(self, node: Node) -> None:
        """Know what is at work, and end the runs that are done."""
        self._current = namespace_of(node)
        for name in [name for name, left in self._left.items() if not left]:
            if name != self._current:
                self._runs.end(self.ids[name], "FINISHED")
                del self._left[name]

    def note_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Note that a node has saved something: with all but training, it is done."""
        left = self._left.get(namespace_of(node) or "", set())
        # A training node saves once per round; only its last state ends the phase.
        if not is_training(node) or (dataset_name.endswith(".policy") and data.is_last):
            left.discard(node.name)

    def open_ids(self) -> list[str]:
        """Return the child runs that have not ended."""
        return [self.ids[name] for name in self._left]

    def log_to_all(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Log to every open child run what they share: the initial policy's evaluation."""
        for run in self.open_ids():
            self._runs.log_metrics(run, metrics, step=step)

    def end(self, status: str, *, others: str) -> None:
        """End those that have not ended yet.

        Args:
            status: Of the one at work.
            others: Status of the other ones that are not done.
        """
        for name, left in self._left.items():
            own = status if name == self._current else others if left else "FINISHED"
            self._runs.end(self.ids[name], own)

    def _open(self, run: TrainingRun, former: str | None) -> str:
        tags = {**below(self._parent), **training_run_tags(run, self._experiment)}
        opened = self._runs.open(training_run_name(run), tags, former)
        if opened != former:
            self.begun.append(run.namespace)
        self._runs.log_parameters(opened, training_run_parameters(run, self._experiment))
        return opened


def namespace_of(node: Node) -> str | None:
    """Return the namespace of the training run that a node belongs to; None if to all."""
    run = TrainingRun.containing(str(node.namespace))
    return None if run is None else run.namespace
