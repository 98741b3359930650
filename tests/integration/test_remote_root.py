"""Results kept on an S3 server too: it stops, the run is killed, another machine goes on."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import yaml
from forked_server import free_port
from kedro.io import DataCatalog
from s3_server import BUCKET, S3Server, new_server

from pmd_pipeline.remote.errors import RemoteError, RemoteOutageError
from pmd_pipeline.remote.folder import RemoteFolder
from pmd_pipeline.remote.store import latest

pytest.importorskip("s3fs")
pytest.importorskip("moto")

# A training run has its bytes whatever is trained beside it: that of one algorithm is enough.
TRAINED = "pmd_mean.seed_0.phase_2.policy"
STAGES = ["policy_initialisation", "data_preparation"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that all tests use, each with an address of its own."""
    server = new_server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def machine(
    server: S3Server, make_project_at: Callable[[Path], Any], tmp_path: Path
) -> Callable[..., Any]:
    """Return what makes a project on another machine: its folder, and nothing of the others'."""

    def make(name: str, **credentials: Any) -> Any:
        project = make_project_at(tmp_path / name)
        use(project, server.credentials(**credentials), f"s3://{BUCKET}/{tmp_path.name}")
        return project

    return make


def use(project: Any, credentials: dict[str, Any], root: str) -> None:
    conf = project.path / "conf"
    (conf / "local").mkdir(exist_ok=True)
    (conf / "local" / "credentials.yml").write_text(yaml.safe_dump({"my_s3": credentials}))
    parameters = conf / "tiny" / "parameters.yml"
    text = parameters.read_text().replace("[pmd_mean, on_policy_gradient]", "[pmd_mean]")
    parameters.write_text(text + f"storage: {{remote_root: '{root}', credentials: my_s3}}\n")


def on_rename_to(part: str, action: Callable[[], None]) -> Callable[[], None]:
    """Return an accident: ``action`` whenever a folder whose path has ``part`` gets its name."""

    def arrange() -> None:
        rename = Path.rename

        def acts(self: Path, target: Path) -> Path:
            if part in str(target):
                action()
            return rename(self, target)

        Path.rename = acts  # type: ignore[method-assign, assignment]

    return arrange


def test_what_cannot_work_is_said_before_anything_begins(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    right = server.credentials()
    nobody = {"client_kwargs": right["client_kwargs"]}
    away = server.credentials(
        client_kwargs={"endpoint_url": f"http://127.0.0.1:{free_port()}"},
        config_kwargs={"retries": {"max_attempts": 0}},
    )
    assert latest(RemoteFolder(f"s3://{BUCKET}/empty", right)) is None
    with pytest.raises(RemoteError, match="s3://nobucket/x: there is no such place"):
        latest(RemoteFolder("s3://nobucket/x", right))
    with pytest.raises(RemoteError, match=r"needs credentials.*AWS_ACCESS_KEY_ID"):
        latest(RemoteFolder(f"s3://{BUCKET}/x", nobody))
    with pytest.raises(RemoteOutageError, match=r"does not answer .*Could not connect"):
        latest(RemoteFolder(f"s3://{BUCKET}/x", away))


def test_a_problem_file_comes_with_the_credentials_of_the_catalog(
    server: S3Server, tmp_path: Path
) -> None:
    address, credentials = f"s3://{BUCKET}/problems.jsonl", {"my_s3": server.credentials()}
    with fsspec.open(address, "w", **server.credentials()) as file:
        file.write('{"question": "1+1", "solution": "2"}\n')
    entry = {
        "type": "pmd_pipeline.datasets.problem_files.ProblemFilesDataset",
        "path": str(tmp_path / "fetched"),
        "credentials": "my_s3",
    }
    catalog = DataCatalog.from_config({"problem_files": entry}, credentials)
    bring = catalog.load("problem_files")
    assert bring(address).read_text() == '{"question": "1+1", "solution": "2"}\n'
    with pytest.raises(RemoteError, match=r"s3://nobucket/p\.jsonl: there is no such place"):
        bring("s3://nobucket/p.jsonl")


@pytest.mark.slow
def test_the_server_stops_the_run_is_killed_and_another_machine_ends_it_with_the_same_bytes(
    server: S3Server, machine: Callable[..., Any], finished: Any
) -> None:
    first, second = machine("first"), machine("second")
    pid = server.pid
    assert pid is not None

    def accidents() -> None:
        on_rename_to("remote_outbox/00000001", lambda: os.kill(pid, signal.SIGSTOP))()
        die = lambda: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
        on_rename_to("pmd_mean/seed_0/phase_2/round_00004", die)()

    try:
        assert first.run(before=accidents, to_outputs=[TRAINED]) == -signal.SIGKILL
    finally:
        server.go_on()
    sent = first.command("remote-sync", "--env", "tiny")
    assert sent.returncode == 0, sent.stderr
    assert f"Sent to s3://{BUCKET}/" in sent.stdout

    result = second.command("run", "--env", "tiny", "--to-outputs", TRAINED)
    assert result.returncode == 0, result.stderr
    assert "Fetching the results of" in result.stderr
    assert results(second) == results(finished)


def results(project: Any) -> dict[str, bytes]:
    """Return the files of the training run of ``pmd_mean``."""
    patterns = ("06_models/pmd_mean/**/*.safetensors", "07_model_output/pmd_mean/**/rollouts/*")
    paths = [path for pattern in patterns for path in project.data.glob(pattern)]
    return {str(path.relative_to(project.data)): path.read_bytes() for path in paths}
