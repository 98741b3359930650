"""A worker is replaced when it is lost, and only then."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pmd_pipeline.processes.child import ChildProcess
from pmd_pipeline.processes.errors import (
    CallFailedError,
    CallTimeoutError,
    ProcessEndedError,
    ProcessStartError,
)
from pmd_pipeline.processes.worker import Worker

ECHO = Path(__file__).with_name("echo_server.py")


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(lambda: ChildProcess(ECHO, name="Echo"))
    yield made
    made.kill()


def test_it_stays_after_an_exception(worker: Worker) -> None:
    before = worker.process_id
    with pytest.raises(CallFailedError, match="no such luck"):
        worker.call("fail", timeout_seconds=60)
    assert worker.call("echo", value=1, timeout_seconds=60) == 1
    assert worker.process_id == before


def test_it_is_replaced_after_a_call_that_takes_too_long(worker: Worker) -> None:
    before = worker.process_id
    with pytest.raises(CallTimeoutError):
        worker.call("sleep", seconds=60, timeout_seconds=0.2)
    assert worker.process_id != before
    assert worker.call("echo", value=1, timeout_seconds=5) == 1


def test_it_is_replaced_when_it_dies_in_a_call(worker: Worker) -> None:
    with pytest.raises(ProcessEndedError, match="status 3"):
        worker.call("end")
    assert worker.call("echo", value=1) == 1


def test_it_is_replaced_when_it_has_died_while_idle(worker: Worker) -> None:
    worker.call("echo", value=1)
    os.kill(worker.process_id, signal.SIGKILL)
    os.waitid(os.P_PID, worker.process_id, os.WEXITED | os.WNOWAIT)
    assert worker.call("echo", value=2) == 2


def test_one_that_could_not_start_is_started_anew_by_the_next_call() -> None:
    programs = iter([ECHO.with_name("no_such_program.py"), ECHO])
    worker = Worker(lambda: ChildProcess(next(programs), name="Echo"))
    with pytest.raises(ProcessStartError, match=r"(?s)status 2.*no_such_program"):
        worker.call("echo", value=1)
    assert worker.call("echo", value=1) == 1
    worker.kill()


def test_one_that_was_killed_is_not_replaced(worker: Worker) -> None:
    worker.call("echo", value=1)
    before = worker.process_id
    worker.kill()
    with pytest.raises(ProcessEndedError, match="start another one"):
        worker.call("echo", value=1)
    assert worker.process_id == before


class Starts:
    """Starts processes and keeps them."""

    def __init__(self) -> None:
        self.made: list[ChildProcess] = []

    def __call__(self) -> ChildProcess:
        self.made.append(ChildProcess(ECHO, name="Echo"))
        return self.made[-1]


def test_a_slow_call_has_a_process_made_ready_that_takes_the_place_of_a_killed_one() -> None:
    starts = Starts()
    worker = Worker(starts, keeps_reserve=True)
    assert worker.call("echo", value=1, timeout_seconds=60) == 1
    assert len(starts.made) == 1
    with pytest.raises(CallTimeoutError):
        worker.call("sleep", seconds=60, timeout_seconds=0.5)
    assert len(starts.made) == 2
    assert worker.process_id == starts.made[1].process_id
    worker.call("sleep", seconds=0.4, timeout_seconds=3)  # slow, but in time
    assert worker.process_id == starts.made[1].process_id
    assert len(starts.made) == 3
    worker.kill()
    assert not any(child.is_alive for child in starts.made)


def test_a_reserve_that_died_is_not_taken() -> None:
    starts = Starts()
    worker = Worker(starts, keeps_reserve=True)
    worker.call("sleep", seconds=0.4, timeout_seconds=3)
    starts.made[1].kill()
    worker.replace()
    assert worker.call("echo", value=2, timeout_seconds=60) == 2
    assert worker.process_id == starts.made[2].process_id
    worker.kill()


def test_no_reserve_is_started_unless_it_is_asked_for() -> None:
    starts = Starts()
    worker = Worker(starts)
    worker.call("sleep", seconds=0.4, timeout_seconds=3)
    assert len(starts.made) == 1
    worker.kill()
