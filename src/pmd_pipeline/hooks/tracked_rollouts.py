"""A sample of each round's rollouts, for people who look at them one by one."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from kedro.io import DataCatalog

from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.datasets.results import ResultDataset
from pmd_pipeline.hooks.tracked_facts import training_run_name
from pmd_pipeline.tracking.rollout_traces import RolloutTrace
from pmd_pipeline.tracking.runs import TrackedRuns

_DETAILS = (
    "answer",
    "num_tokens",
    "truncated",
    "advantage",
    "sequence_log_ratio",
    "behaviour_log_prob",
    "sampled_version",
)


class RolloutSample:
    """Logs some rollouts of each round as traces, if any are wanted.

    Args:
        runs: Of this process.
        catalog: Has the rollouts and the problems.
        count: How many of a round.
    """

    def __init__(self, runs: TrackedRuns, catalog: DataCatalog, count: int) -> None:
        self._runs = runs
        self._catalog = catalog
        self._count = count
        self._prompts: dict[str, str] = {}

    def log(self, run: str, dataset_name: str, data: Any) -> None:
        """Log a sample of what a phase has just saved, if that was a round's rollouts."""
        training_run = TrainingRun.containing(dataset_name)
        if not self._count or training_run is None or not dataset_name.endswith(".rollouts"):
            return
        if not self._prompts:
            problems = self._catalog.load("train_problems")
            self._prompts = dict(zip(problems["problem_id"], problems["prompt"], strict=True))
        dataset = self._catalog.get(dataset_name)
        assert isinstance(dataset, ResultDataset)
        name = training_run_name(training_run)
        # A round's table is handed over once, and is in its file by now.
        for path in dataset.files_of(data):
            rollouts = pd.read_parquet(path)
            traces = sampled_rollouts(rollouts, self._prompts, run_name=name, count=self._count)
            self._runs.log_traces(run, traces)


def sampled_rollouts(
    rollouts: pd.DataFrame, prompts: Mapping[str, str], *, run_name: str, count: int
) -> Iterator[RolloutTrace]:
    """Yield rollouts of a round as traces, evenly from its first to its last.

    Args:
        rollouts: Of one round: `schemas.rollouts.RoundRolloutTable`.
        prompts: By problem.
        run_name: The training run's.
        count: How many; all if there are fewer.
    """
    now = int(time.time() * 1000)
    count = min(count, len(rollouts))
    for index in range(count):
        # Not the first of its group each time.
        row = rollouts.iloc[(2 * index + 1) * len(rollouts) // (2 * count)]
        yield _trace(row, prompts[row["problem_id"]], run_name, now)


def _trace(row: "pd.Series[Any]", prompt: str, run_name: str, now: int) -> RolloutTrace:
    known = {name: _plain(value) for name, value in row.items() if not pd.isna(value)}
    round_index, problem, sample = known["round"], known["problem_id"], known["sample_index"]
    parts = {str(k): float(v) for k, v in known.items() if str(k).startswith("reward_")}
    right = {} if "correct" not in known else {"correct": bool(known["correct"])}
    return RolloutTrace(
        key=f"round {round_index}, cycle {known['cycle']}, {problem}, {sample}",
        name=f"{run_name}, round {round_index}",
        time_ms=now,
        prompt=prompt,
        response=str(known["response"]),
        details={name: known[name] for name in _DETAILS if name in known},
        tags={"round": str(round_index), "problem_id": str(problem)},
        grades={"reward": float(known["reward"]), **right, **parts},
        reason=str(known["grade_reason"]),
    )


def _plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    return value.item() if hasattr(value, "item") else value
