"""What is logged to MLflow's runs, and under which names. Nothing here waits for the store."""

import math
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from pmd_pipeline.tracking.data_inputs import DataInput
from pmd_pipeline.tracking.errors import OutageError, TrackingError, reason_of, sorted_error
from pmd_pipeline.tracking.outbox import FOLDER_NAME, Outbox, num_waiting_below
from pmd_pipeline.tracking.policy_models import BestModel
from pmd_pipeline.tracking.rollout_traces import RolloutTrace
from pmd_pipeline.tracking.sender import Sender
from pmd_pipeline.tracking.store import (
    PATIENCE_SECONDS,
    RUN_KEY,
    TrackingStore,
    as_key,
    is_key,
    key_of,
)

# MLflow refuses longer parameter values.
_MAX_PARAM_LENGTH = 6000
_MAX_TABLE_ROWS = 1000


class TrackedRuns:
    """Runs of one process. What is logged is on disk at once and sent by a thread.

    Args:
        data_root: Holds the outbox.
        experiment: Name of the experiment.
        store: The store if it has answered; None: it is asked later.
        connect: Gives the store; for the thread.
    """

    def __init__(
        self,
        data_root: Path,
        experiment: str,
        store: TrackingStore | None,
        connect: Callable[[], TrackingStore],
    ) -> None:
        self._root = data_root / FOLDER_NAME
        self._experiment = experiment
        self._store = store
        self._outbox = Outbox.begin(self._root)
        self._sender = Sender(self._outbox, store, connect)

    def open(self, name: str, tags: Mapping[str, str], former: str | None = None) -> str:
        """Continue a former run or make one, and return its id.

        The store is asked if it has answered so far; else what is returned stands for the run.

        Args:
            name: Of a new run.
            tags: Of a new run.
            former: Id of the run to continue, which may be gone.
        """
        values = self._creation(name, tags)
        if former is not None:
            known = None if is_key(former) else former
            run = self._asked(lambda store: store.find_run(former), otherwise=known)
            if run is None and is_key(former):
                # A dead process has left it in its outbox, or that is lost.
                run = self._begin({**values, "tags": {**values["tags"], RUN_KEY: key_of(former)}})
            if run is not None:
                self._add("status", run, {"status": "RUNNING"})
                return run
        run = self._asked(lambda store: _create(store, values), otherwise=None)
        return run if run is not None else self._begin(values)

    def reserve(self, former: str | None = None) -> str:
        """Return what will stand for a run that is made later, or the id that it has already.

        Args:
            former: What a former session was told, whether or not it has made that run.
        """
        if former is None:
            return as_key(uuid.uuid4().hex)
        known = None if is_key(former) else former
        run = self._asked(lambda store: store.find_run(former), otherwise=known)
        if run is None:
            return former if is_key(former) else self.reserve()
        return run

    def begin(self, name: str, tags: Mapping[str, str], reserved: str | None = None) -> str:
        """Make a run without waiting for the store; return what stands for it.

        Args:
            name: Of the run.
            tags: Of the run.
            reserved: What is to stand for it. A run that has an id already goes on.
        """
        values = self._creation(name, tags)
        if reserved is None:
            return self._begin(values)
        if is_key(reserved):
            self._begin({**values, "tags": {**values["tags"], RUN_KEY: key_of(reserved)}})
        self._add("status", reserved, {"status": "RUNNING"})
        return reserved

    def log_metrics(self, run: str, metrics: Mapping[str, float], *, step: int) -> None:
        """Log numbers at a step; NaN and infinity, which some stores refuse, are left out."""
        finite = {k: float(v) for k, v in metrics.items() if math.isfinite(v)}
        if finite:
            self._add("metrics", run, {"metrics": finite, "time": _now(), "step": step})

    def log_parameters(self, run: str, parameters: Mapping[str, Any]) -> None:
        """Log flat parameters; a value too long for a parameter becomes a tag.

        Those that are None are left out, unless they had a value when the run began.
        """
        texts = {k: None if value is None else str(value) for k, value in parameters.items()}
        self._add("parameters", run, {k: v for k, v in texts.items() if _is_short(v)})
        self.set_tags(run, {k: v for k, v in texts.items() if not _is_short(v)})

    def set_tags(self, run: str, tags: Mapping[str, Any]) -> None:
        """Set tags."""
        if tags:
            self._add("tags", run, {name: str(value) for name, value in tags.items()})

    def log_inputs(self, run: str, inputs: Iterable[DataInput]) -> None:
        """Log data sets that a run reads."""
        self._add("inputs", run, {"datasets": [asdict(data) for data in inputs]})

    def register_best(self, run: str, model: BestModel) -> None:
        """Register an algorithm's best policy as a model of the run that trained it."""
        texts = {k: str(value) for k, value in model.parameters.items() if value is not None}
        short = {name: text for name, text in texts.items() if _is_short(text)}
        finite = tuple(m for m in model.measurements if math.isfinite(m.value))
        values = asdict(replace(model, parameters=short, measurements=finite))
        self._add("best_model", run, {**values, "time": _now()})

    def log_file(self, run: str, content: bytes | str, path: str) -> None:
        """Log a file's content under a path within the run."""
        data = content.encode() if isinstance(content, str) else content
        self._add("artifact", run, {"path": path}, data)

    def log_table(self, run: str, table: pd.DataFrame, path: str) -> None:
        """Log a table that MLflow shows as one, replacing an earlier one of that name.

        MLflow compares such tables of several runs in its evaluation view.
        """
        # Written as the artifact itself: mlflow.log_table would append to an earlier one.
        content = table.head(_MAX_TABLE_ROWS).to_json(orient="split", index=False)
        self._add("artifact", run, {"path": path, "is_table": True}, content.encode())

    def log_traces(self, run: str, traces: Iterable[RolloutTrace]) -> None:
        """Log rollouts that people want to look at."""
        self._add("traces", run, {"traces": [asdict(trace) for trace in traces]})

    def describe(self, run: str, text: str) -> None:
        """Give a run a description in Markdown, with the placeholders of ``chart_views``."""
        self._add("description", run, {"text": text})

    def offer_charts(self, run: str, view: Mapping[str, Any]) -> None:
        """Keep a view of the charts of what is below a run; see ``chart_views``."""
        self._add("chart_view", run, {"view": view})

    def end(self, run: str, status: str) -> None:
        """End a run as FINISHED, FAILED or KILLED."""
        self._add("status", run, {"status": status})

    def close(self, command: str) -> str | None:
        """Wait a little until all is sent; return what to tell the user about the rest.

        Args:
            command: What sends the rest.
        """
        self._sender.close(PATIENCE_SECONDS)
        lost = self._outbox.num_in_memory
        waiting = num_waiting_below(self._root)
        told = []
        if waiting:
            told.append(
                f"{waiting} records for MLflow wait in {self._root}; send them with: {command}"
            )
        if lost:
            told.append(f"{lost} records for MLflow are lost: the disk is full and the store away")
        return "\n".join(told) or None

    def _creation(self, name: str, tags: Mapping[str, str]) -> dict[str, Any]:
        return {
            "experiment": self._experiment,
            "name": name,
            "tags": {**tags, RUN_KEY: uuid.uuid4().hex},
            "time": _now(),
        }

    def _begin(self, values: dict[str, Any]) -> str:
        run = as_key(values["tags"][RUN_KEY])
        self._add("create", run, values)
        return run

    def _asked(
        self, question: Callable[[TrackingStore], str | None], otherwise: str | None
    ) -> str | None:
        if self._store is None:
            return otherwise
        try:
            return question(self._store)
        except Exception as error:
            if not isinstance(sorted_error(error), OutageError):
                raise TrackingError(f"MLflow refuses the run: {reason_of(error)}") from error
            self._store = None  # it has gone since it answered
            return otherwise

    def _add(
        self, kind: Any, run: str, values: dict[str, Any], content: bytes | None = None
    ) -> None:
        if kind == "status":
            values = {**values, "time": _now()}
        self._outbox.add(kind, run, values, content)
        self._sender.wake()


def below(parent: str) -> dict[str, str]:
    """Return the tags of a child run."""
    return {MLFLOW_PARENT_RUN_ID: parent}


def _create(store: TrackingStore, values: Mapping[str, Any]) -> str:
    run = store.client.create_run(
        store.experiment_id, values["time"], values["tags"], values["name"]
    )
    return str(run.info.run_id)


def _is_short(value: str | None) -> bool:
    return value is None or len(value) <= _MAX_PARAM_LENGTH


def _now() -> int:
    return int(time.time() * 1000)
