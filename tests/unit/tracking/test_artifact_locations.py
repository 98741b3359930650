"""A database that was moved or copied names its own folder again."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from forks import empty_tracking_store
from tracking_stores import sqlite_store

from pmd_pipeline.tracking.artifact_locations import relocate
from pmd_pipeline.tracking.errors import TrackingError
from pmd_pipeline.tracking.outbox import FOLDER_NAME
from pmd_pipeline.tracking.runs import TrackedRuns


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_copy_is_repaired_and_until_then_nothing_is_written_into_the_original(
    tmp_path: Path,
) -> None:
    original = tmp_path / "original"
    original.mkdir()
    shutil.copy(empty_tracking_store(), original / "mlflow.db")
    store = sqlite_store(original / "mlflow.db")
    run = store.client.create_run(store.experiment_id).info.run_id
    store.client.log_text(run, "a figure", "figure.html")
    copy = tmp_path / "a copy, 100%25"  # MLflow takes an address's %25 for a %
    shutil.copytree(original, copy)
    before = files(original)

    store = sqlite_store(copy / "mlflow.db")
    assert store.foreign_folder() == original / "mlruns"
    assert store.foreign_folder(run) == original / "mlruns" / run / "artifacts"
    runs = TrackedRuns(copy, "tests", store, lambda: store)
    runs.log_file(run, "another", "another.html")
    assert runs.close("kedro mlflow-sync") is not None, "it waits for the repair"
    assert files(original) == before

    moved = relocate(copy / "mlflow.db", copy / "mlruns")
    assert (original / "mlruns", copy / "mlruns") in moved
    assert store.foreign_folder() is None
    assert store.foreign_folder(run) is None
    runs = TrackedRuns(copy, "tests", store, lambda: store)
    assert runs.close("kedro mlflow-sync") is None
    assert not list((copy / FOLDER_NAME).iterdir())
    artifacts = copy / "mlruns" / run / "artifacts"
    assert files(artifacts) == {"figure.html", "another.html"}
    assert files(original) == before
    assert relocate(copy / "mlflow.db", copy / "mlruns") == []


def test_addresses_of_servers_and_of_runs_without_experiment_stay(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    addresses = ["mlflow-artifacts:/1/a/artifacts", "s3://bucket/a", "/elsewhere/a/artifacts"]
    with sqlite3.connect(database) as connection:
        connection.execute("create table runs (artifact_uri text)")
        connection.executemany("insert into runs values (?)", [(text,) for text in addresses])
    assert relocate(database, tmp_path / "mlruns") == []
    rows = sqlite3.connect(database).execute("select artifact_uri from runs").fetchall()
    assert [text for (text,) in rows] == addresses


def test_a_missing_database_is_told_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="cannot be changed: unable to open"):
        relocate(tmp_path / "missing.db", tmp_path / "mlruns")
    assert not list(tmp_path.iterdir())
