"""Stores for the tests of tracking."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pmd_pipeline.addresses import sqlite_address
from pmd_pipeline.tracking.store import TrackingStore


class FakeClient:
    """Takes batches and artifacts, unless it is told to fail."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.error: Exception | None = None
        self.hated: str | None = None

    def get_run(self, run_id: str) -> Any:
        self._fail()
        return SimpleNamespace(info=SimpleNamespace(lifecycle_stage="active"))

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = (), tags: Any = ()) -> None:
        self._fail()
        keys = [entry.key for entry in (*metrics, *params, *tags)]
        if self.hated in keys:
            raise ValueError("no such name, please")
        self.taken += keys

    def set_terminated(self, run_id: str, status: str, end_time: int) -> None:
        self._fail()
        self.taken.append(status)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


def fake_store(client: FakeClient) -> TrackingStore:
    return TrackingStore(client=client, experiment_id="1")  # type: ignore[arg-type]


def sqlite_store(database: Path) -> TrackingStore:
    """Return a store in an existing database, with an experiment ``tests``."""
    client = MlflowClient(sqlite_address(database))
    root = database.parent / "mlruns"
    found = client.get_experiment_by_name("tests")
    made = found.experiment_id if found else client.create_experiment("tests", root.as_uri())
    return TrackingStore(client=client, experiment_id=made, artifact_root=root)


def tracked_run(client: MlflowClient, run: str) -> Run:
    """Return a run by what a run's state names it by: its id, or its key."""
    found = TrackingStore(client=client, experiment_id="").find_run(run)
    assert found is not None, f"the store does not know {run}"
    return client.get_run(found)


@contextmanager
def full_disk() -> Iterator[None]:
    """Let this process's files grow no more."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
