"""A store that does not answer is told in one message, soon; and which store is meant."""

import logging
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forked_server import free_port
from forks import empty_tracking_store
from kedro.config import OmegaConfigLoader

from pmd_pipeline.tracking.configuration import read_config, use
from pmd_pipeline.tracking.errors import TrackingError
from pmd_pipeline.tracking.store import connect, connect_or_continue, context_of


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("pmd_pipeline.tracking.store.PATIENCE_SECONDS", 1.5)
    yield
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        os.environ.pop(name, None)


def loader_of(path: Path, address: str | None) -> Any:
    (path / "conf" / "base").mkdir(parents=True, exist_ok=True)
    (path / "conf" / "local").mkdir(exist_ok=True)
    value = "null" if address is None else f"'{address}'"
    (path / "conf" / "base" / "mlflow.yml").write_text(f"server: {{mlflow_tracking_uri: {value}}}")
    return OmegaConfigLoader(
        str(path / "conf"),
        base_env="base",
        default_run_env="local",
        config_patterns={"mlflow": ["mlflow*"]},
    )


def refusal(path: Path, address: str) -> str:
    loader = loader_of(path, address)
    with pytest.raises(TrackingError) as caught:
        connect_or_continue(read_config(loader, path), context_of(path, loader), [], env=None)
    return str(caught.value)


def test_a_server_that_is_down_is_named_without_its_password(tmp_path: Path) -> None:
    port = free_port()
    message = refusal(tmp_path, f"http://me:secret@127.0.0.1:{port}")
    assert f"http://***@127.0.0.1:{port} cannot be used (Connection refused)" in message
    assert "start its server" in message
    assert "MLFLOW_TRACKING_URI" in message
    assert "secret" not in message
    assert "\n" not in message


def test_a_server_that_accepts_and_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        message = refusal(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert "no answer" in message


def test_a_database_that_another_process_holds_is_told(tmp_path: Path) -> None:
    shutil.copy(empty_tracking_store(), tmp_path / "mlflow.db")
    holder = sqlite3.connect(tmp_path / "mlflow.db")
    holder.execute("begin exclusive")
    message = refusal(tmp_path, "sqlite:///mlflow.db")
    holder.close()
    assert "mlflow.db cannot be used (database is locked)" in message
    assert "end the process that holds the database" in message


def test_a_run_that_the_store_knows_goes_on_without_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loader = loader_of(tmp_path, f"http://127.0.0.1:{free_port()}")
    config = read_config(loader, tmp_path)
    known = ["1f" * 16]
    assert connect_or_continue(config, context_of(tmp_path, loader), known, env=None) is None
    assert "The run goes on" in caplog.text


def test_the_environments_variables_come_before_the_file_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loader = loader_of(tmp_path, "sqlite:///mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    with caplog.at_level(logging.INFO, "pmd_pipeline"):
        config = read_config(loader, tmp_path)
    assert config.server.mlflow_tracking_uri == "http://server:5000"
    assert config.tracking.experiment.name == "mine"
    assert "MLFLOW_TRACKING_URI decides: mlflow.yml has sqlite:///mlflow.db" in caplog.text


def test_what_mlflow_writes_into_the_environment_is_not_a_users_wish(tmp_path: Path) -> None:
    """One process, two projects: the second uses its own store."""
    stores = []
    for name in ("first", "second"):
        path = tmp_path / name
        loader = loader_of(path, "sqlite:///mlflow.db")
        shutil.copy(empty_tracking_store(), path / "mlflow.db")
        config = read_config(loader, path)
        use(config)
        connect(config, context_of(path, loader))
        stores.append(config.server.mlflow_tracking_uri)
    assert [Path(store).parent.name for store in stores] == ["first", "second"]


def test_a_relative_database_is_the_projects_from_any_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    config = read_config(loader_of(tmp_path, None), tmp_path)
    assert config.server.mlflow_tracking_uri == f"sqlite:///{tmp_path / 'other.db'}"
