"""A program in a process of its own: its answers, its failures, and its end with the parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pmd_pipeline.processes import log
from pmd_pipeline.processes.child import ChildProcess
from pmd_pipeline.processes.errors import (
    CallFailedError,
    CallTimeoutError,
    ProcessEndedError,
    ProcessStartError,
)

ECHO = Path(__file__).with_name("echo_server.py")


def start(start_value: str = "", **options: Any) -> ChildProcess:
    return ChildProcess(ECHO, environment={"START": start_value}, name="Echo", **options)


@pytest.fixture(scope="module")
def echo() -> Iterator[ChildProcess]:
    child = start()
    yield child
    child.kill()


@pytest.fixture
def own_echo() -> Iterator[ChildProcess]:
    child = start()
    yield child
    child.kill()


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


def test_a_long_message_passes_both_ways(echo: ChildProcess) -> None:
    value = bytes(range(256)) * 2**15
    assert echo.call("echo", value=value, timeout_seconds=60) == value


def test_finished_units_are_reported_before_the_result(echo: ChildProcess) -> None:
    reported: list[float] = []
    echo.send("count", number=3)
    assert echo.receive(report=reported.append) == 3
    assert reported == [1, 1, 1]


def test_it_is_in_a_session_of_its_own(echo: ChildProcess) -> None:
    assert echo.call("session") == echo.process_id != os.getsid(0)


def test_a_module_is_found_where_the_parent_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ECHO.parent))
    child = ChildProcess("echo_server", name="Echo")
    assert child.call("echo", value=1) == 1
    child.kill()


def test_a_module_is_found_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ECHO.parent))
    child = ChildProcess("echo_server", name="Echo")
    assert child.call("echo", value=1) == 1
    child.kill()


def test_variables_are_given_over_the_parents_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("GIVEN", "not this")
    child = ChildProcess(ECHO, environment={"GIVEN": "given"}, name="Echo")
    found = [child.call("variable", name=name) for name in ("KEPT", "GIVEN")]
    child.kill()
    assert found == ["kept", "given"]


def test_an_exception_comes_back_with_its_parts_and_the_process_stays(echo: ChildProcess) -> None:
    with pytest.raises(CallFailedError, match="Echo: fail: ValueError: no such luck") as caught:
        echo.call("fail", timeout_seconds=60)
    assert caught.value.error_type == "ValueError"
    assert caught.value.error_message == "no such luck"
    assert 'raise ValueError("no such luck")' in caught.value.traceback_text
    assert echo.call("echo", value=1) == 1


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("leave", {}, "leave: SystemExit: had enough"),
        ("unpicklable", {}, "unpicklable: .*pickle"),
        ("unreadable", {}, "cannot be read here: No module named 'no_module_of_this_name'"),
        ("no_method", {}, "AttributeError: .*no_method"),
        ("echo", {"values": 1}, "TypeError: .*values"),
    ],
)
def test_a_call_that_cannot_be_answered_is_one_that_fails(
    echo: ChildProcess, method: str, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(CallFailedError, match=message):
        echo.call(method, **arguments)
    assert echo.call("echo", value=1) == 1


def test_an_argument_that_cannot_be_pickled_is_the_callers_error(echo: ChildProcess) -> None:
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        echo.call("echo", value=lambda: 1)
    assert echo.call("echo", value=1) == 1


def test_a_call_that_takes_too_long_is_an_error_and_ends_the_process(
    own_echo: ChildProcess,
) -> None:
    with pytest.raises(
        CallTimeoutError, match=r"(?s)Echo gave no answer in 0\.5 seconds.*about to sleep"
    ):
        own_echo.call("sleep", seconds=60, timeout_seconds=0.5)
    assert wait_until_gone(own_echo.process_id)
    with pytest.raises(ProcessEndedError, match="ended before this call"):
        own_echo.call("echo", value=1)


def test_a_deadline_holds_for_a_process_that_does_not_read(own_echo: ChildProcess) -> None:
    own_echo.call("echo", value=0)
    os.kill(own_echo.process_id, signal.SIGSTOP)
    with pytest.raises(CallTimeoutError, match=r"no answer in 0\.2 seconds"):
        own_echo.call("echo", value=bytes(2**24), timeout_seconds=0.2)


def test_a_deadline_does_not_include_the_start(own_echo: ChildProcess) -> None:
    os.kill(own_echo.process_id, signal.SIGSTOP)
    wake = ["/bin/sh", "-c", f"sleep 1; kill -CONT {own_echo.process_id}"]
    with subprocess.Popen(wake):
        assert own_echo.call("echo", value=1, timeout_seconds=0.5) == 1


def test_a_start_that_takes_too_long_is_an_error() -> None:
    child = start("slow", start_seconds=0.5)
    with pytest.raises(ProcessStartError, match=r"Echo did not start in 0\.5 seconds"):
        child.call("echo", value=1)
    assert wait_until_gone(child.process_id)


def test_a_start_that_fails_is_quoted() -> None:
    with pytest.raises(
        ProcessStartError,
        match=r"(?s)could not start: it ended with status 1.*no module named sympathy",
    ):
        start("broken").call("echo", value=1)


def test_a_process_that_ends_is_reported_with_its_status_and_last_words(
    own_echo: ChildProcess,
) -> None:
    with pytest.raises(ProcessEndedError, match=r"(?s)ended with status 3.*famous last words"):
        own_echo.call("end")


def test_advice_is_given_where_the_system_has_killed_it() -> None:
    child = start(advice_if_killed="lower the memory")
    child.call("echo", value=0)
    assert child.is_alive
    os.kill(child.process_id, signal.SIGKILL)
    with pytest.raises(ProcessEndedError, match="signal 9; lower the memory"):
        child.call("echo", value=1)
    assert not child.is_alive


@pytest.mark.skipif(sys.platform != "linux", reason="not every system has such a limit")
def test_memory_is_bounded_and_the_process_survives_the_bound() -> None:
    child = start(memory_limit_bytes=2**30)
    with pytest.raises(CallFailedError, match="MemoryError"):
        child.call("allocate", num_bytes=2**30)
    assert child.call("allocate", num_bytes=2**20) == 2**20
    child.kill()


def test_an_interrupted_call_ends_the_process(own_echo: ChildProcess) -> None:
    def interrupt(number: float) -> None:
        raise KeyboardInterrupt

    own_echo.send("count", number=3)
    with pytest.raises(KeyboardInterrupt):
        own_echo.receive(report=interrupt)
    assert wait_until_gone(own_echo.process_id)


def test_no_log_stays_unless_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log.tempfile, "tempdir", str(tmp_path))
    for keep in (False, True):
        assert list(tmp_path.iterdir()) == []
        child = start(keep_log=keep)
        child.call("echo", value=0)
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(CallFailedError) as caught:
            child.call("fail")
        child.kill()
    (kept,) = tmp_path.iterdir()
    assert f"(its whole log: {kept})" in str(caught.value)
    assert "ValueError: no such luck" in kept.read_text()


def test_a_log_is_bounded(own_echo: ChildProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_BYTES", 10)
    own_echo.call("sleep", seconds=0)
    with pytest.raises(ProcessEndedError) as caught:
        own_echo.call("end")
    assert "about to sleep" not in str(caught.value)
    assert "famous last words" in str(caught.value)


def test_a_process_that_is_forgotten_ends() -> None:
    child = start()
    process_id = child.process_id
    del child
    assert wait_until_gone(process_id)


@pytest.mark.parametrize(
    ("call", "seconds"),
    [
        ("child.call('echo', value=1); input()", 5),
        ("child.call('sleep', seconds=600)", 5),
        # Its own alarm ends it, at twice its deadline and a second: no thread of it can.
        ("child.call('hold_the_interpreter', timeout_seconds=1)", 5),
    ],
    ids=["idle", "busy", "deaf"],
)
def test_a_process_does_not_outlive_a_parent_that_is_killed(call: str, seconds: float) -> None:
    code = (
        "from pathlib import Path\n"
        "from pmd_pipeline.processes.child import ChildProcess\n"
        f"child = ChildProcess(Path({str(ECHO)!r}), name='Echo')\n"
        "child.call('echo', value=0)\n"
        f"print(child.process_id, flush=True)\n{call}\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    process_id = int(parent.stdout.readline())
    time.sleep(0.3)
    parent.kill()
    parent.wait()
    assert wait_until_gone(process_id, seconds + 5)


def test_a_forked_child_leaves_its_parents_process_alone() -> None:
    code = f"""
import os
from pathlib import Path
from pmd_pipeline.processes.child import ChildProcess
child = ChildProcess(Path({str(ECHO)!r}), name='Echo')
assert child.call('echo', value=1) == 1
forked = os.fork()
if forked == 0:
    try:
        child.call('echo', value=2)
    except ValueError as error:
        assert 'before a fork' in str(error)
        child.kill()
        del child
        raise SystemExit(5)
assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 5
assert child.call('echo', value=3) == 3
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""


def test_a_server_imports_nothing_but_the_standard_library() -> None:
    code = """
import sys
import pmd_pipeline.processes.server
names = {name.split('.')[0] for name in sys.modules} - {'pmd_pipeline'}
allowed = set(sys.stdlib_module_names) | {'__main__', 'sitecustomize', 'usercustomize'}
print(sorted(n for n in names - allowed if not n.startswith(('__editable__', '_distutils'))))
print(sorted(n for n in sys.modules if n.startswith('pmd_pipeline')))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [
        "[]",
        str(
            [
                "pmd_pipeline",
                "pmd_pipeline.processes",
                "pmd_pipeline.processes.messages",
                "pmd_pipeline.processes.parent",
                "pmd_pipeline.processes.priority",
                "pmd_pipeline.processes.server",
            ]
        ),
    ], done.stderr
