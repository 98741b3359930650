"""A tracking server that is down, dies, or hangs: the run goes on, and nothing is lost."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from accidents import at_save_of
from forked_server import free_port
from forks import empty_tracking_store
from tracking_server import TrackingServer

from pmd_pipeline.hooks.run_state import RunState
from pmd_pipeline.tracking.outbox import FOLDER_NAME, num_waiting_below
from pmd_pipeline.tracking.runs import TrackedRuns
from pmd_pipeline.tracking.store import TrackingStore

STAGES = ["policy_initialisation", "data_preparation"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("server")
    shutil.copy(empty_tracking_store(), path / "mlflow.db")
    return path


@pytest.fixture
def server(folder: Path) -> Iterator[TrackingServer]:
    """A server that runs; each test finds the runs of the former ones."""
    server = TrackingServer(folder, free_port())
    server.start()
    yield server
    server.kill()


@pytest.fixture
def tracked(project: Any, server: TrackingServer) -> Any:
    """A project that is tracked by the server."""
    use(project, server.address)
    return project


def use(project: Any, address: str) -> None:
    (project.path / "conf" / "tiny" / "mlflow.yml").write_text(
        f"server: {{mlflow_tracking_uri: '{address}'}}\n"
        "tracking: {experiment: {name: pmd_pipeline}}\n"
    )


def run_ids(project: Any) -> dict[str, str]:
    ids: dict[str, str] = json.loads((project.data / "run_state.json").read_text())["mlflow_runs"]
    return ids


def waiting(data_root: Path) -> int:
    return num_waiting_below(data_root / FOLDER_NAME)


def test_a_run_that_cannot_be_tracked_does_not_begin(project: Any) -> None:
    """And takes nothing from the run that was there before."""
    use(project, f"http://127.0.0.1:{free_port()}")
    project.data.mkdir(parents=True)
    RunState(version="former").save(project.data)
    former = (project.data / "run_state.json").read_text()
    result = project.command("run", "--env", "tiny")
    assert result.returncode == 1
    assert result.stderr.count("cannot be used (Connection refused)") == 1
    assert "Traceback" not in result.stderr
    assert "Nothing has begun" in result.stderr
    assert (project.data / "run_state.json").read_text() == former


@pytest.mark.slow
def test_killed_and_resumed_without_its_server_a_run_is_tracked_in_full(
    tracked: Any, server: TrackingServer
) -> None:
    def server_dies_then_the_run() -> None:
        at_save_of("train_problems")()
        pid = server.pid
        assert pid is not None
        save = mlflow.MlflowClient.log_batch

        def dies(self: Any, *args: Any, **options: Any) -> None:
            os.kill(pid, signal.SIGKILL)
            save(self, *args, **options)

        mlflow.MlflowClient.log_batch = dies  # type: ignore[method-assign]

    status = tracked.run(before=server_dies_then_the_run, pipeline_names=STAGES)
    assert status == -signal.SIGKILL
    server.kill()
    assert waiting(tracked.data) > 0

    arguments = ("--env", "tiny", "--pipelines", ",".join(STAGES), "--only-missing-outputs")
    result = tracked.command("run", *arguments)
    assert result.returncode == 0, result.stderr
    assert "The run goes on" in result.stderr
    assert f"{waiting(tracked.data)} records for MLflow wait in" in result.stderr
    assert "kedro mlflow-sync --env tiny" in result.stderr
    assert "Traceback" not in result.stderr

    result = tracked.command("mlflow-sync", "--env", "tiny")
    assert result.returncode == 1
    assert "cannot be used (Connection refused)" in result.stderr
    server.start()
    result = tracked.command("mlflow-sync", "--env", "tiny")
    assert result.returncode == 0, result.stderr
    assert "Sent " in result.stdout
    assert waiting(tracked.data) == 0
    assert tracked.command("mlflow-sync", "--env", "tiny").stdout.startswith("Nothing waits in")

    run = mlflow.MlflowClient(server.database).get_run(run_ids(tracked)[""])
    assert run.info.status == "FINISHED"
    assert run.data.params["training.num_phases"] == "2"
    assert run.data.tags["data_version"]


def test_logging_does_not_wait_for_a_server_that_hangs_and_all_arrives_once(
    server: TrackingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    client = mlflow.MlflowClient(server.address)
    name = tmp_path.name
    store = TrackingStore(client=client, experiment_id=client.create_experiment(name))
    runs = TrackedRuns(tmp_path, name, store, lambda: store)
    run = runs.open("run", {})
    runs.log_metrics(run, {"reward": 1.0}, step=1)
    server.pause()
    for step in range(2, 5):
        runs.log_metrics(run, {"reward": 1.0}, step=step)
    trial = runs.begin("trial", {"mlflow.parentRunId": run})
    runs.log_file(trial, b"\0" * 100_000, "tables/large.bin")
    runs.end(run, "FINISHED")
    assert waiting(tmp_path) >= 6
    server.go_on()
    assert runs.close("") is None

    history = client.get_metric_history(run, "reward")
    assert [metric.step for metric in history] == [1, 2, 3, 4]
    found = {found.info.run_name: found for found in client.search_runs([store.experiment_id])}
    assert set(found) == {"run", "trial"}
    (file,) = client.list_artifacts(found["trial"].info.run_id, "tables")
    assert (file.path, file.file_size) == ("tables/large.bin", 100_000)


def test_a_copied_project_is_refused_and_repaired_by_the_command_that_is_named(
    project: Any, tmp_path: Path
) -> None:
    """The database names a folder of the original, as MLflow writes it."""
    original = tmp_path / "original" / "mlruns"
    original.mkdir(parents=True)
    client = mlflow.MlflowClient(f"sqlite:///{project.path / 'mlflow.db'}")
    client.create_experiment("pmd_pipeline", str(original / "1"))
    result = project.command("run", "--env", "tiny")
    assert result.returncode == 1
    assert f"would write this run's figures and tables to {original / '1'}" in result.stderr
    assert "kedro mlflow-relocate --env tiny" in result.stderr
    assert not (project.data / "run_state.json").exists()

    result = project.command("mlflow-relocate", "--env", "tiny")
    assert result.returncode == 0, result.stderr
    assert f"{original / '1'} -> {project.path / 'mlruns' / '1'}" in result.stdout
    assert project.run(pipeline_names=STAGES) == 0
    uri = client.get_run(run_ids(project)[""]).info.artifact_uri
    assert uri.startswith((project.path / "mlruns" / "1").as_uri())
    assert list(original.iterdir()) == []
