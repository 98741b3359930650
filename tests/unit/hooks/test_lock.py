"""One run at a time in a data folder."""

import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from pmd_pipeline.hooks.lock import FILE_NAME, DataFolderInUseError, DataLock, give_back, hold


def hold_forever(folder: Path) -> int:
    """Return the process id of a child that holds a folder, once it does."""
    ready, told = os.pipe()

    def hold_it() -> None:
        DataLock(folder)
        os.write(told, b"!")
        signal.pause()

    child = os.fork()
    if child == 0:
        try:
            hold_it()
        finally:
            os._exit(1)
    os.read(ready, 1)
    return child


def test_a_second_run_is_told_who_holds_the_folder_and_a_dead_holder_is_taken_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/bin/kedro", "run", "--env", "tiny"])
    child = hold_forever(tmp_path)
    try:
        host = re.escape(socket.gethostname())
        told = rf"process {child} on {host}, since 20.*\(kedro run --env tiny\)"
        with pytest.raises(DataFolderInUseError, match=told):
            DataLock(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    DataLock(tmp_path).release()
    assert f"run that has died: process {child}" in caplog.text


def test_a_run_that_has_ended_leaves_no_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    DataLock(tmp_path).release()
    DataLock(tmp_path).release()
    assert caplog.text == ""


def test_an_interrupted_run_gives_its_folder_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The next one, on another machine too, neither waits nor takes it for dead."""
    hold(tmp_path)
    give_back()
    assert (tmp_path / FILE_NAME).read_text() == ""
    DataLock(tmp_path).release()
    assert caplog.text == ""


def test_a_process_goes_on_with_the_folder_that_it_holds(tmp_path: Path) -> None:
    """An interrupted session in a notebook, for example, has not given it back."""
    lock = hold(tmp_path)
    assert hold(tmp_path) is lock
    lock.release()
    hold(tmp_path).release()


@pytest.mark.parametrize(("age", "is_dead"), [(10, False), (1000, True)])
def test_another_machine_counts_as_alive_while_it_shows_signs_of_life(
    tmp_path: Path, age: int, is_dead: bool
) -> None:
    """Its lock may not be seen from here."""
    path = tmp_path / FILE_NAME
    path.write_text(
        json.dumps({"pid": 1, "host": "elsewhere", "since": "2026-01-01", "command": "kedro run"})
    )
    changed = path.stat().st_mtime - age
    os.utime(path, (changed, changed))
    if is_dead:
        DataLock(tmp_path).release()
        return
    with pytest.raises(DataFolderInUseError, match=r"process 1 on elsewhere.*delete .*\.run\.lock"):
        DataLock(tmp_path)
