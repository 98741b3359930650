"""Which workers are replaced, and how all of them end: on stand-ins, without a cluster."""

import logging
from collections.abc import Callable, Iterator

import pytest

from pmd_pipeline.cluster.errors import InfeasibleError
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.study_commands.on_ray import fleet
from pmd_pipeline.study_commands.on_ray.fleet import Fleet, WorkerLostError
from pmd_pipeline.study_commands.on_ray.host import Ended

DONE = Ended(status=0, message="")
KILLED = Ended(status=-9, message="")
INTERRUPTED = Ended(status=130, message="")
FAILED = Ended(status=1, message="the loss is nan")


class Played:
    """A worker whose looks are known beforehand; the last one holds on."""

    def __init__(self, *looks: Ended | BaseException | None) -> None:
        self.place = "10.0.0.2"
        self._looks = list(looks)
        self.is_asked_to_stop = False
        self.is_killed = False

    def look(self) -> Ended | None:
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, BaseException):
            raise look
        return look

    def stop(self) -> None:
        self.is_asked_to_stop = True
        self._looks = [None, INTERRUPTED]

    def kill(self) -> None:
        self.is_killed = True


class Stubborn(Played):
    """It does not end when it is asked to."""

    def stop(self) -> None:
        self.is_asked_to_stop = True


Start = Callable[[int], Played]


def _starting(*workers: Played | BaseException) -> Start:
    waiting: Iterator[Played | BaseException] = iter(workers)

    def start(number: int) -> Played:
        worker = next(waiting)
        if isinstance(worker, BaseException):
            raise worker
        return worker

    return start


def _run(start: Start, *, num_workers: int = 2, max_restarts: int = 3) -> None:
    kept = Fleet(start, num_workers=num_workers, max_restarts=max_restarts)
    with kept.running():
        while kept.look():
            pass


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(fleet.time, "sleep", lambda _: None)
    caplog.set_level(logging.INFO)


@pytest.mark.parametrize("loss", [KILLED, INTERRUPTED, WorkerLostError("its node is gone.")])
def test_a_lost_worker_is_replaced(
    loss: Ended | BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    workers = [Played(None, DONE), Played(None, loss), Played(None, None, DONE)]
    _run(_starting(*workers))
    assert all(worker.is_killed for worker in workers)
    assert not any(worker.is_asked_to_stop for worker in workers)
    cause = {KILLED: "SIGKILL ended its process", INTERRUPTED: "its process ended with status 130"}
    told = cause[loss] if isinstance(loss, Ended) else "its node is gone"
    assert caplog.messages[2:] == [
        f"Worker 2 on 10.0.0.2 is lost: {told}.",
        "Worker 2 on 10.0.0.2 starts in the place of a lost one (1 of at most 3).",
    ]


def test_without_a_replacement_the_study_goes_on_with_the_workers_that_are_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    _run(_starting(Played(None, DONE), Played(KILLED)), max_restarts=0)
    assert "It is not replaced: workers.max_restarts is 0." in caplog.text
    full = InfeasibleError("the cluster is full")
    _run(_starting(Played(None, DONE), Played(KILLED), full))
    assert "It is not replaced: the cluster is full." in caplog.text


def test_the_last_worker_lost_ends_the_study() -> None:
    with pytest.raises(StudyError, match=r"Worker 1 on .* is lost: SIGKILL.*No worker is left"):
        _run(_starting(Played(KILLED), Played(KILLED)), num_workers=1, max_restarts=1)


def test_a_worker_that_fails_ends_the_study_and_the_others() -> None:
    """As without a cluster: another one would fail in the same way."""
    other = Played(None)
    with pytest.raises(StudyError, match=r"^Worker 2 on 10\.0\.0\.2: the loss is nan$"):
        _run(_starting(other, Played(None, FAILED)))
    assert other.is_asked_to_stop
    assert other.is_killed


def test_an_interruption_lets_all_workers_end_in_order() -> None:
    workers = [Played(None), Played(None)]
    kept = Fleet(_starting(*workers), num_workers=2, max_restarts=3)
    with pytest.raises(KeyboardInterrupt), kept.running():
        raise KeyboardInterrupt
    assert all(worker.is_asked_to_stop for worker in workers)
    assert [worker.look() for worker in workers] == [INTERRUPTED] * 2  # awaited
    assert all(worker.is_killed for worker in workers)


def test_a_second_interruption_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fleet.time, "sleep", interrupted)
    workers = [Stubborn(None), Stubborn(None)]
    kept = Fleet(_starting(*workers), num_workers=2, max_restarts=3)
    with pytest.raises(KeyboardInterrupt), kept.running():
        raise KeyboardInterrupt
    assert all(worker.is_killed for worker in workers)


def test_a_worker_that_does_not_end_is_killed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr(fleet.time, "monotonic", lambda: next(clock))
    worker = Stubborn(None)
    kept = Fleet(_starting(worker), num_workers=1, max_restarts=3)
    with pytest.raises(ValueError, match="the study's storage is gone"), kept.running():
        raise ValueError("the study's storage is gone")
    assert worker.is_killed


def test_a_worker_that_cannot_start_leaves_no_other_behind() -> None:
    first = Played(None)
    with pytest.raises(InfeasibleError, match="full"):
        _run(_starting(first, InfeasibleError("full")))
    assert first.is_killed
