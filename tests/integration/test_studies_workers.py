"""Two workers on one study: a journal file, PostgreSQL with one of them killed; Ray's program."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from glob import glob
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from forks import begin_forked, redirect, run_forked, wait
from kedro.framework.startup import bootstrap_project
from study_helpers import await_trials, begin_worker, make_study_project, query

from pmd_pipeline.cluster.facts import own_facts
from pmd_pipeline.config.study import StorageConfig
from pmd_pipeline.studies.definition import load
from pmd_pipeline.studies.retries import take_back
from pmd_pipeline.studies.storage import open_storage
from pmd_pipeline.study_commands.on_ray import worker
from pmd_pipeline.study_commands.on_ray.host import FAILED
from pmd_pipeline.study_commands.on_ray.request import WorkerRequest
from pmd_pipeline.study_commands.opening import open_to_run
from pmd_pipeline.study_commands.project import read_project

PASSWORD = "correct-horse-battery"
VARIABLE = "PMD_PIPELINE_TEST_STUDY_URL"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """A PostgreSQL server of this test alone; the URL of its database."""
    pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
    found = sorted(glob("/usr/lib/postgresql/*/bin/initdb")) or [shutil.which("initdb") or ""]
    if not found[-1]:
        pytest.skip("PostgreSQL's server is not installed: no initdb")
    programs = Path(found[-1]).resolve().parent
    # PostgreSQL refuses to run as root, and its user cannot enter pytest's folders.
    as_user: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("runuser") is None or not _user_exists("postgres"):
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "password").write_text(PASSWORD)
    if as_user:
        shutil.chown(folder, "postgres")
        shutil.chown(folder / "password", "postgres")

    def run(program: str, *options: str) -> None:
        subprocess.run(
            [*as_user, str(programs / program), "-D", str(folder / "data"), *options],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )

    try:
        run("initdb", "-U", "tester", "-A", "scram-sha-256", "-N", f"--pwfile={folder}/password")
        server = f"-p {port} -k {folder} -h 127.0.0.1 -F"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", server, "start")
        try:
            yield f"postgresql://tester:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user_exists(name: str) -> bool:
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _trials(path: Path) -> pd.DataFrame:
    return pd.read_csv(
        path / "data" / "small" / "studies" / "small" / "report" / "study_trials.csv"
    )


def _log(path: Path, child: int) -> str:
    return (path / f"worker_{child}.log").read_text()[-3000:]


def _remember_trials(path: Path, *, until: Callable[[], bool] = lambda: True) -> None:
    """Have this worker write the numbers of its trials to a file.

    Args:
        path: The project.
        until: Trials after the first wait for this.
    """
    from pmd_pipeline.study_commands.trial import TrialRunner

    run = TrialRunner.__call__

    def remembered(self: Any, trial: Any) -> Any:
        while trial.number > 0 and not until():
            time.sleep(0.05)
        with (path / f"trials_of_{os.getpid()}").open("a") as file:
            file.write(f"{trial.number}\n")
        return run(self, trial)

    TrialRunner.__call__ = remembered  # type: ignore[method-assign]


@pytest.mark.slow
def test_two_workers_share_a_journal(tmp_path: Path) -> None:
    """Four trials of two repeats each, none done twice, each worker with some of them."""
    study = {"storage": {"kind": "journal"}, "repeats": 2, "num_trials": 4}
    path = make_study_project(tmp_path / "project", studies={"small": study})

    def both_work() -> bool:
        return len(list(path.glob("trials_of_*"))) == 2

    first = begin_worker(path, before=lambda: _remember_trials(path, until=both_work))
    await_trials(path, first)
    second = begin_worker(path, joins=True, before=lambda: _remember_trials(path))
    assert wait(second) == 0, _log(path, second)
    assert wait(first) == 0, _log(path, first)

    done = {child: (path / f"trials_of_{child}").read_text().split() for child in (first, second)}
    assert all(done.values())
    assert sorted(done[first] + done[second]) == [str(number) for number in range(4)]
    trials = _trials(path)
    assert list(trials["state"]) == ["finished"] * 4
    assert set(trials["ci_over"]) == {"repeats"}
    # Two workers with one seed still make different trials.
    assert len(set(trials["algorithm.tau"])) == 4
    repeats = path / "data" / "small" / "studies" / "small" / "trials" / "00000"
    assert {folder.name for folder in repeats.iterdir()} == {"repeat_0", "repeat_1"}


@pytest.mark.slow
def test_a_killed_workers_trial_is_done_by_the_other(
    postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL: taken back by heartbeat, done again once, and no password anywhere."""
    monkeypatch.setenv(VARIABLE, postgresql)
    storage = {
        "kind": "postgresql",
        "environment_variable": VARIABLE,
        "heartbeat_seconds": 1,
        "grace_seconds": 3,
    }
    study = {"storage": storage, "num_trials": 4}
    path = make_study_project(tmp_path / "project", studies={"small": study})
    marker = tmp_path / "running"

    def hang() -> None:
        from pmd_pipeline.study_commands.session import StudySession

        begin = StudySession.begin

        def forever(path: Path, *, data_root: Path, **options: Any) -> StudySession:
            if data_root.parents[1].name == "trials":
                marker.write_text(data_root.parent.name)
                time.sleep(100)
            return begin(path, data_root=data_root, **options)

        StudySession.begin = forever  # type: ignore[method-assign, assignment]

    first = begin_worker(path, before=lambda: _remember_trials(path, until=marker.exists))
    await_trials(path, first)
    second = begin_worker(path, joins=True, before=hang)
    while not marker.exists() or not marker.read_text():
        assert os.waitpid(second, os.WNOHANG) == (0, 0), _log(path, second)
        time.sleep(0.05)
    os.kill(second, signal.SIGKILL)
    assert wait(second) == -signal.SIGKILL
    assert wait(first) == 0, _log(path, first)

    lost = int(marker.read_text())
    trials = _trials(path)
    assert list(trials["state"]).count("finished") == 4
    assert list(trials.loc[trials["state"] == "failed", "trial"]) == [lost]
    assert trials.loc[lost, "error"] == "its worker died"
    searched = ["algorithm.tau", "training.group_size"]
    same = trials[searched].eq(trials.loc[lost, searched]).all(axis=1)
    assert list(trials.loc[same, "state"]) == ["failed", "finished"]
    statuses = dict(query(path / "mlflow.db", "select name, status from runs"))
    assert statuses[f"trial {lost}"] == "FAILED"
    assert statuses["study small"] == "FINISHED"
    for file in path.rglob("*"):
        if file.is_file():
            assert PASSWORD.encode() not in file.read_bytes(), file
    assert "tester:***@127.0.0.1" in _page(path)


def _begin_ray_worker(project: Path, folder: Path, **fields: Any) -> int:
    """Run the program of a worker on a Ray cluster in a forked child, but without Ray."""
    request = WorkerRequest(
        study="small",
        project=str(project),
        env="small",
        runtime_parameters={},
        num_trials=None,
        timeout_minutes=None,
        num_threads=1,
        takes_gpu=False,
        marks=(),
        facts=own_facts("10.0.0.1"),
    )
    (folder / "log").touch()
    (folder / "request").write_text(replace(request, **fields).to_json())

    def work() -> None:
        redirect("stdout", folder / "answer")
        redirect("stderr", folder / "log")
        sys.stdin = (folder / "request").open()
        sys.argv[1:] = ["10.0.0.2"]
        raise SystemExit(worker.main())

    return begin_forked(work)


def test_a_ray_worker_says_what_its_node_lacks(tmp_path: Path) -> None:
    """Its answer is all that is on its standard output."""
    path = make_study_project(tmp_path / "project", with_base=False)
    assert wait(_begin_ray_worker(path, tmp_path, marks=(str(path / ".driver_1"),))) == FAILED
    answer = (tmp_path / "answer").read_text()
    assert answer.startswith(f"10.0.0.2: the folder {path} is not the one that the study's driver")
    assert "Traceback" in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_a_ray_worker_without_its_host_ends_as_at_ctrl_c(tmp_path: Path) -> None:
    """Its trial is queued again; nothing waits for a heartbeat."""
    study = {"storage": {"kind": "journal"}, "num_trials": 40}
    path = make_study_project(tmp_path / "project", studies={"small": study})

    def host() -> None:
        bootstrap_project(path)
        open_to_run(read_project("small", path=path, env="small"), joins=False)
        (tmp_path / "process").write_text(str(_begin_ray_worker(path, tmp_path)))
        while "Trial 0 begins." not in (tmp_path / "log").read_text():
            time.sleep(0.05)

    assert run_forked(host) == 0
    process = int((tmp_path / "process").read_text())
    while psutil.pid_exists(process) and psutil.Process(process).status() != "zombie":
        time.sleep(0.05)
    folder = path / "data" / "small" / "studies" / "small"
    storage = open_storage(StorageConfig(kind="journal"), folder, url=None, on_stale=take_back)
    trials = load("small", storage).get_trials()
    assert [trial.state.name for trial in trials[-2:]] == ["FAIL", "WAITING"]
    assert trials[-2].user_attrs["error"] == "interrupted"
    assert trials[-1].params == trials[-2].params
    assert (tmp_path / "answer").read_text() == ""


def _page(path: Path) -> str:
    return (path / "data" / "small" / "studies" / "small" / "report" / "study.html").read_text()
