"""What a trial's session reports: rounds, evaluations, and the seconds of training."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

from pmd_pipeline.metrics.comparison import headline_metric
from pmd_pipeline.tracking.metrics import round_metrics

OnRound = Callable[[dict[str, float], int], None]
OnEvaluation = Callable[["Evaluation"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """avg@k (or the mean reward) on the validation problems after a phase.

    Attributes:
        phase: From 1.
        value: Mean correctness.
        low, high: Interval over the problems.
    """

    phase: int
    value: float
    low: float
    high: float


@dataclass(slots=True)
class TrialHook:
    """Passes on what a trial's session saves; an exception of a callback ends the session.

    Attributes:
        on_round: Called with a round's metrics, under MLflow's names, and its number.
        on_evaluation: Called after each phase's evaluation; may raise to prune.
        clock: Seconds of computing; processor time if training runs on the CPU.
        training_seconds: So far.
    """

    on_round: OnRound
    on_evaluation: OnEvaluation
    clock: Callable[[], float] = time.process_time
    training_seconds: float = 0.0
    _since: float | None = field(default=None, init=False)

    @hook_impl
    def before_dataset_loaded(self, node: Node) -> None:
        if "training" in node.tags and self._since is None:
            self._since = self.clock()

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        if "training" not in node.tags:
            self._since = None

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        if "training" in node.tags and self._since is not None:
            now = self.clock()
            self.training_seconds += now - self._since
            self._since = now
        kind = dataset_name.rpartition(".")[2]
        if kind == "round_metrics" and isinstance(data, dict):
            for table in data.values():
                self.on_round(*round_metrics(table))
        elif kind == "eval_metrics":
            self.on_evaluation(_evaluation(data, int(dataset_name.split(".")[-2].split("_")[1])))


def _evaluation(table: pd.DataFrame, phase: int) -> Evaluation:
    row = table[table["metric"] == headline_metric(table)].iloc[0]
    return Evaluation(
        phase=phase,
        value=float(row["value"]),
        low=float(row["ci_low"]),
        high=float(row["ci_high"]),
    )
