"""A module in a process of its own: its answers, its failures, and its end with the parent."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pmd_pipeline.engines.child_process import ChildProcess
from pmd_pipeline.engines.errors import EngineFailedError

HERE = Path(__file__).parent


def start(**environment: str) -> ChildProcess:
    search = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    return ChildProcess(
        "echo_server", environment={"PYTHONPATH": search} | environment, name="Echo"
    )


@pytest.fixture(scope="module")
def echo() -> Iterator[ChildProcess]:
    child = start(GIVEN="yes")
    yield child
    child.close()


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, where logs are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def wait_until_gone(process_id: int, seconds: float = 10) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if not psutil.pid_exists(process_id):
            return True
        if psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_a_call_returns_what_the_method_returns(echo: ChildProcess) -> None:
    assert echo.call("echo", value=[1, "two"]) == [1, "two"]


def test_a_failing_call_raises_its_message_and_leaves_the_process_usable(
    echo: ChildProcess,
) -> None:
    with pytest.raises(EngineFailedError, match="Echo: fail: ValueError: no such luck"):
        echo.call("fail")
    assert echo.call("echo", value=1) == 1


def test_finished_units_are_reported_before_the_result(echo: ChildProcess) -> None:
    reported: list[float] = []
    echo.send("count", number=3)
    assert echo.receive(report=reported.append) == 3
    assert reported == [1, 1, 1]


def test_variables_are_given_over_the_parents_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("GIVEN", "not this")
    child = start(GIVEN="given")
    try:
        found = [child.call("variable", name=name) for name in ("KEPT", "GIVEN")]
    finally:
        child.close()
    assert found == ["kept", "given"]


def test_a_call_that_takes_too_long_is_an_error() -> None:
    child = start()
    try:
        child.call("echo", value=0)
        with pytest.raises(EngineFailedError, match=r"no answer in 0\.2 seconds"):
            child.call("sleep", seconds=60, timeout_seconds=0.2)
    finally:
        os.kill(child.process_id, signal.SIGKILL)
        child.close()


def test_a_process_that_ends_is_reported_with_its_status_and_last_words() -> None:
    child = start()
    with pytest.raises(EngineFailedError, match=r"(?s)ended with status 3.*famous last words"):
        child.call("end")
    child.close()


def test_a_process_killed_by_the_system_hints_at_memory() -> None:
    child = start()
    child.call("echo", value=0)
    os.kill(child.process_id, signal.SIGKILL)
    with pytest.raises(EngineFailedError, match=r"(?s)signal 9.*gpu_memory_utilization"):
        child.call("echo", value=1)
    child.close()


def test_closing_ends_the_process_and_removes_its_log(logs: Path) -> None:
    child = start()
    child.call("echo", value=0)
    assert len(list(logs.iterdir())) == 1
    child.close()
    assert wait_until_gone(child.process_id)
    assert list(logs.iterdir()) == []


def test_the_log_of_a_process_that_failed_stays(logs: Path) -> None:
    child = start()
    with pytest.raises(EngineFailedError, match="its whole log: ") as caught:
        child.call("fail")
    child.close()
    [log] = logs.iterdir()
    assert f"its whole log: {log}" in str(caught.value)
    assert "ValueError: no such luck" in log.read_text()


def test_a_process_does_not_outlive_a_parent_that_is_killed_while_it_computes() -> None:
    code = (
        "from pmd_pipeline.engines.child_process import ChildProcess\n"
        f"child = ChildProcess('echo_server', environment={{'PYTHONPATH': {str(HERE)!r} + "
        "':' + __import__('os').environ.get('PYTHONPATH', '')}, name='Echo')\n"
        "child.call('echo', value=0)\n"
        "print(child.process_id, flush=True)\n"
        "child.call('sleep', seconds=600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    process_id = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    assert wait_until_gone(process_id)
