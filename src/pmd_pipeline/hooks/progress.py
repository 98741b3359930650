"""What is seen of a run while it goes on: bars on a terminal, elsewhere a line per round."""

import logging
import time
from collections.abc import Callable
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.hooks.intent import has_stated_intent
from pmd_pipeline.hooks.resume import ResumeHook
from pmd_pipeline.hooks.round_words import evaluation_words, round_words, speed_words
from pmd_pipeline.hooks.stages import evaluated_model, is_training
from pmd_pipeline.hooks.time_left import TimeLeft, Work
from pmd_pipeline.progress import Screen, close_screen, open_screen
from pmd_pipeline.progress.screen import Bar
from pmd_pipeline.wording import brief_time, counted

_logger = logging.getLogger(__name__)


class ProgressHook:
    """Draws two bars on a terminal; elsewhere logs a line per round and per evaluation.

    Nodes run one after another, which `ResumeHook` makes sure of.

    Args:
        resume: Knows which nodes a run need not make.
        clock: Seconds.
    """

    def __init__(
        self, resume: ResumeHook, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._resume = resume
        self._clock = clock
        self._screen: Screen | None = None
        self._rounds_per_phase = self._num_rounds = 0
        self._num_nodes = self._num_done = 0
        self._current: str | None = None
        self._began = 0.0
        self._left = TimeLeft({})
        self._round: Any = None

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: ExperimentContext) -> None:
        training = context.experiment.training
        self._rounds_per_phase = training.rounds_per_phase
        self._num_rounds = training.num_phases * training.rounds_per_phase
        if has_stated_intent():  # a run is to follow
            screen = open_screen()
            if screen is not None:
                screen.show_part("loading libraries")

    @hook_impl(trylast=True)
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        nodes = [node for node in pipeline.nodes if node.name not in self._resume.given]
        self._num_nodes, self._num_done, self._current = len(nodes), 0, None
        self._began = self._clock()
        self._left = TimeLeft({node.name: self._work(node) for node in nodes})
        phases = [node for node in nodes if is_training(node)]
        self._screen = open_screen()
        if self._screen is None and nodes:
            trains = (
                f", {counted(len(phases), 'phase')} of training with "
                f"{counted(len(phases) * self._rounds_per_phase, 'round')} in all among them"
                if phases
                else ""
            )
            _logger.info("%s to do%s", counted(len(nodes), "step"), trains)
        self._show_whole()

    @hook_impl(tryfirst=True)
    def before_dataset_loaded(self, node: Node) -> None:
        # before_node_run comes after the inputs are loaded, and a model is an input.
        self._begin(node)

    @hook_impl(tryfirst=True)
    def before_node_run(self, node: Node) -> None:
        self._begin(node)

    @hook_impl(trylast=True)
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        kind = dataset_name.rpartition(".")[2]
        if is_training(node) and kind == "round_metrics":
            (self._round,) = data.values()
        elif is_training(node) and kind == "policy":
            self._tell_round(node)
        elif kind == "eval_metrics":
            self._tell_evaluation(node, data)

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self) -> None:
        self._close()
        if self._num_nodes:
            _logger.info("Done in %s", brief_time(self._clock() - self._began))

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self) -> None:
        self._close()
        _logger.warning(
            "Stopped at %s with %d of %s done; once that is put right, the same command with "
            "--only-missing-outputs goes on from there",
            self._current or "the start",
            self._num_done,
            counted(self._num_nodes, "step"),
        )

    def _close(self) -> None:
        self._screen = None
        close_screen()

    def _work(self, node: Node) -> Work:
        what = node.name.rpartition(".")[2]
        if not is_training(node):
            return Work(what)
        return Work(f"{what}.{_run(node)}", self._rounds_per_phase)

    def _begin(self, node: Node) -> None:
        if node.name == self._current:
            return
        self._num_done += self._current is not None
        self._current = node.name
        self._left.begin(node.name, self._clock())
        self._show_whole()
        if self._screen is not None:
            self._screen.show_part(node.name)

    def _tell_round(self, node: Node) -> None:
        table, phase = self._round, _phase(node)
        number = int(table["round"].iloc[0])
        left = phase * self._rounds_per_phase - number
        self._left.count(self._clock(), left=left)
        words = round_words(table)
        if self._screen is not None:
            self._screen.note(words)
            self._show_whole()
            return
        parts = [words, speed_words(table), self._time_words(phase if left else None)]
        said = ", ".join(part for part in parts if part)
        _logger.info("%s round %d/%d: %s", _run(node), number, self._num_rounds, said)

    def _time_words(self, phase: int | None) -> str:
        """Return how long is left of the phase, if any is, and of the run, as far as known."""
        seconds = (self._left.of_node() if phase else None), self._left.of_run()
        whose = f"phase {phase}", "the run"
        said = [
            f"{brief_time(s)} of {name}"
            for s, name in zip(seconds, whose, strict=True)
            if s is not None
        ]
        return f"{' and '.join(said)} left" if said else ""

    def _tell_evaluation(self, node: Node, table: Any) -> None:
        if self._screen is not None:
            return
        run, model = _run(node), evaluated_model(node)
        who = f"{run} after round {_phase(node) * self._rounds_per_phase}" if run else model
        _logger.info("%s: %s", who or "initial policy", evaluation_words(table))

    def _show_whole(self) -> None:
        if self._screen is None:
            return
        left = self._left.of_run()
        spent = self._clock() - self._began
        fraction = None if left is None else spent / (spent + left) if spent + left > 0 else 0.0
        bar = Bar(
            description="run",
            done=self._num_done,
            total=self._num_nodes,
            unit="steps",
            fraction=fraction,
        )
        self._screen.show_whole(bar, seconds_left=left)


def _run(node: Node) -> str:
    """Return the training run that a node belongs to; an empty text if to none."""
    run = TrainingRun.containing(str(node.namespace))
    return "" if run is None else run.namespace


def _phase(node: Node) -> int:
    return int(str(node.namespace).rpartition("_")[2])
