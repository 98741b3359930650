"""What was logged reaches the store in order, once, whatever happened to either."""

import shutil
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from forks import empty_tracking_store
from mlflow.exceptions import MlflowException
from tracking_stores import FakeClient, fake_store, full_disk, sqlite_store

from pmd_pipeline.studies.tracking import StudyRuns
from pmd_pipeline.tracking.errors import OutageError, TrackingError
from pmd_pipeline.tracking.outbox import FOLDER_NAME, left_outboxes, num_waiting, num_waiting_below
from pmd_pipeline.tracking.runs import TrackedRuns
from pmd_pipeline.tracking.sender import send_left
from pmd_pipeline.tracking.store import TrackingStore

SYNC = "kedro mlflow-sync"


def unreachable() -> TrackingStore:
    raise TrackingError("the server is away")


@pytest.fixture
def store(tmp_path: Path) -> TrackingStore:
    shutil.copy(empty_tracking_store(), tmp_path / "mlflow.db")
    return sqlite_store(tmp_path / "mlflow.db")


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError("refused"), MlflowException("API request failed")]
)
def test_what_an_outage_holds_up_is_sent_in_order_afterwards(
    tmp_path: Path, error: Exception
) -> None:
    client = FakeClient()
    client.error = error
    runs = TrackedRuns(tmp_path, "tests", fake_store(client), unreachable)
    for step in range(3):
        runs.log_metrics("run", {f"metric_{step}": 1.0}, step=step)
    runs.end("run", "FINISHED")
    told = runs.close(SYNC)
    assert told == f"4 records for MLflow wait in {tmp_path / FOLDER_NAME}; send them with: {SYNC}"
    assert client.taken == []

    client.error = None
    later = TrackedRuns(tmp_path, "tests", fake_store(client), unreachable)
    later.log_metrics("run", {"metric_3": 1.0}, step=3)
    assert later.close(SYNC) is None
    assert client.taken == ["metric_0", "metric_1", "metric_2", "FINISHED", "metric_3"]
    assert left_outboxes(tmp_path / FOLDER_NAME) == []


def test_a_running_process_sends_by_itself_when_the_store_is_back(tmp_path: Path) -> None:
    client = FakeClient()
    is_back = threading.Event()

    def connect() -> TrackingStore:
        return fake_store(client) if is_back.is_set() else unreachable()

    runs = TrackedRuns(tmp_path, "tests", None, connect)
    runs.log_metrics("run", {"a": 1.0}, step=1)
    is_back.set()
    deadline = time.monotonic() + 60
    while client.taken != ["a"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert runs.close(SYNC) is None


def test_neither_logging_nor_the_end_waits_for_a_store_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pmd_pipeline.tracking.runs.PATIENCE_SECONDS", 0.2)
    hangs = threading.Event()

    class HangingClient(FakeClient):
        def get_run(self, run_id: str) -> Any:
            assert hangs.wait(60)
            return super().get_run(run_id)

    client = HangingClient()
    runs = TrackedRuns(tmp_path, "tests", fake_store(client), unreachable)
    for step in range(5):
        runs.log_metrics("run", {"a": 1.0}, step=step)
    told = runs.close(SYNC)
    assert told is not None
    assert told.startswith("5 records for MLflow wait")
    assert client.taken == []
    hangs.set()


def test_a_record_that_the_store_refuses_stays_and_holds_up_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = FakeClient()
    client.hated = "b"
    runs = TrackedRuns(tmp_path, "tests", fake_store(client), unreachable)
    for name in "abc":
        runs.log_metrics("run", {name: 1.0}, step=1)
    told = runs.close(SYNC)
    assert client.taken == ["a", "c"]
    assert "no such name, please" in caplog.text
    assert told is not None
    assert told.startswith("1 records for MLflow wait")


def test_what_is_sent_twice_is_there_once(tmp_path: Path, store: TrackingStore) -> None:
    """As after a kill between sending and noting so, at any record."""
    runs = TrackedRuns(tmp_path, "tests", None, unreachable)
    parent = runs.begin("parent", {})
    child = runs.open("child", {"mlflow.parentRunId": parent})
    runs.log_parameters(child, {"tau": 0.5})
    runs.log_metrics(child, {"reward": 0.25}, step=1)
    runs.log_metrics(child, {"reward": 0.5}, step=2)
    runs.log_file(child, "content", "tables/a.txt")
    runs.end(child, "FINISHED")
    runs.close(SYNC)
    root = tmp_path / FOLDER_NAME
    for number in range(2):
        shutil.copytree(root, tmp_path / f"copy_{number}")
        assert send_left(tmp_path / f"copy_{number}", store, set()) == set()
        assert left_outboxes(tmp_path / f"copy_{number}") == []

    found = {run.info.run_name: run for run in store.client.search_runs([store.experiment_id])}
    assert len(found) == 2
    run = found["child"]
    assert run.data.tags["mlflow.parentRunId"] == found["parent"].info.run_id
    assert (run.data.params, run.info.status) == ({"tau": "0.5"}, "FINISHED")
    history = store.client.get_metric_history(run.info.run_id, "reward")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.25), (2, 0.5)]
    path = store.client.download_artifacts(run.info.run_id, "tables/a.txt", str(tmp_path))
    assert Path(path).read_text() == "content"


def test_a_parameter_that_a_continued_run_changed_is_a_tag_beside_the_former(
    tmp_path: Path, store: TrackingStore
) -> None:
    runs = TrackedRuns(tmp_path, "tests", store, unreachable)
    run = runs.open("run", {})
    runs.log_parameters(run, {"compute.num_threads": 2})
    runs.log_parameters(run, {"compute.num_threads": 4, "seed": 0})
    assert runs.close(SYNC) is None
    data = store.client.get_run(run).data
    assert data.params == {"compute.num_threads": "2", "seed": "0"}
    assert data.tags["resumed.compute.num_threads"] == "4"


def test_a_run_that_the_store_does_not_know_is_not_mixed_with_another(
    tmp_path: Path, store: TrackingStore
) -> None:
    runs = TrackedRuns(tmp_path, "tests", None, unreachable)
    runs.log_metrics("0" * 32, {"a": 1.0}, step=1)
    runs.close(SYNC)
    root = tmp_path / FOLDER_NAME
    kept = send_left(root, store, set())
    assert [num_waiting(folder) for folder in kept] == [1]


def test_a_run_made_in_an_outage_and_continued_after_it_is_one_run(
    tmp_path: Path, store: TrackingStore
) -> None:
    runs = TrackedRuns(tmp_path, "tests", None, unreachable)
    first = runs.open("run", {})
    runs.log_metrics(first, {"reward": 0.25}, step=1)
    runs.close(SYNC)
    runs = TrackedRuns(tmp_path, "tests", store, unreachable)
    second = runs.open("run", {}, former=first)
    runs.log_metrics(second, {"reward": 0.5}, step=2)
    assert runs.close(SYNC) is None
    runs = TrackedRuns(tmp_path, "tests", store, unreachable)
    run = runs.open("run", {}, former=second)
    assert runs.close(SYNC) is None
    assert [found.info.run_id for found in store.client.search_runs([store.experiment_id])] == [run]
    history = store.client.get_metric_history(run, "reward")
    assert [metric.step for metric in history] == [1, 2]


def test_a_locked_database_holds_nothing_up_and_gets_everything_when_it_is_free(
    tmp_path: Path, store: TrackingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pmd_pipeline.tracking.runs.PATIENCE_SECONDS", 0.2)
    run = store.client.create_run(store.experiment_id).info.run_id
    holder = sqlite3.connect(tmp_path / "mlflow.db")
    holder.execute("begin exclusive")
    runs = TrackedRuns(tmp_path, "tests", store, unreachable)
    runs.log_metrics(run, {"reward": 0.5}, step=1)
    runs.end(run, "FINISHED")
    assert runs.close(SYNC) is not None
    holder.close()
    deadline = time.monotonic() + 60
    while left_outboxes(tmp_path / FOLDER_NAME):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    found = store.client.get_run(run)
    assert (found.data.metrics, found.info.status) == ({"reward": 0.5}, "FINISHED")


def test_a_database_on_a_full_disk_gets_everything_when_there_is_room(
    tmp_path: Path, store: TrackingStore
) -> None:
    run = store.client.create_run(store.experiment_id).info.run_id
    runs = TrackedRuns(tmp_path, "tests", None, unreachable)
    runs.log_metrics(run, {"reward": 0.5}, step=1)
    runs.log_file(run, "content", "a.txt")
    runs.close(SYNC)
    root = tmp_path / FOLDER_NAME
    with full_disk(), pytest.raises(OutageError):
        send_left(root, store, set())
    assert num_waiting_below(root) == 2
    assert send_left(root, store, set()) == set()
    assert store.client.get_run(run).data.metrics == {"reward": 0.5}
    assert [file.path for file in store.client.list_artifacts(run)] == ["a.txt"]


def test_a_studys_trials_reach_their_runs_after_an_outage(
    tmp_path: Path, store: TrackingStore
) -> None:
    study = optuna.create_study(study_name="small")
    runs = StudyRuns(TrackedRuns(tmp_path, "tests", store, unreachable), study)
    runs.end("RUNNING", SYNC)
    # Its next worker finds the store away; a trial dies with it, and another worker notices.
    runs = StudyRuns(TrackedRuns(tmp_path, "tests", None, unreachable), study)
    first, second = study.ask(), study.ask()
    runs.log(runs.begin_trial(first, {"tau": 0.5}), {"reward": 1.0}, step=1)
    runs.end_trial(runs.begin_trial(second, {"tau": 0.1}), "FINISHED")
    assert runs.end("KILLED", SYNC) is not None
    runs = StudyRuns(TrackedRuns(tmp_path, "tests", store, unreachable), study)
    runs.end_dead(study.trials[0])
    assert runs.end("FINISHED", SYNC) is None

    found = {run.info.run_name: run for run in store.client.search_runs([store.experiment_id])}
    assert {name: run.info.status for name, run in found.items()} == {
        "study small": "FINISHED",
        "trial 0": "FAILED",
        "trial 1": "FINISHED",
    }
    parent = found["study small"].info.run_id
    assert found["trial 0"].data.tags["mlflow.parentRunId"] == parent
    assert found["trial 0"].data.tags["error"] == "its worker died"
    assert found["trial 0"].data.metrics == {"reward": 1.0}
