"""Keeps a study's workers: replaces those that are lost, ends all when one fails for good."""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from pmd_pipeline.cluster.errors import InfeasibleError
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.study_commands.on_ray.host import FAILED, Ended

_logger = logging.getLogger(__name__)

_SECONDS_TO_STOP = 60.0
_SECONDS_BETWEEN_LOOKS = 0.2


class WorkerLostError(Exception):
    """A worker's process on the cluster, or its node, is gone."""


class PlacedWorker(Protocol):
    """A worker that has a place: ``placing.RayWorker``, or a stand-in for tests.

    Attributes:
        place: Its node's address.
    """

    place: str

    def look(self) -> Ended | None:
        """Return how it ended; None while it runs.

        Raises:
            WorkerLostError: If nothing is known of it any more.
        """

    def stop(self) -> None:
        """Ask it to end as at Ctrl-C; it may be gone already."""

    def kill(self) -> None:
        """End it at once if it has not ended, and give its resources back."""


class Fleet:
    """The workers of one study.

    Args:
        start: Starts the worker of a number from 1. The first time it has a place of its own; a
            replacement takes any.
        num_workers: How many.
        max_restarts: How many lost ones are replaced.
    """

    def __init__(
        self, start: Callable[[int], PlacedWorker], *, num_workers: int, max_restarts: int
    ) -> None:
        self._start = start
        self._num_workers = num_workers
        self._max_restarts = max_restarts
        self._num_restarts = 0
        self._running: dict[int, PlacedWorker] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the workers, and leave none behind.

        Those that still run when the block ends are asked to end as at Ctrl-C, and killed if they
        do not, or at a second Ctrl-C.
        """
        try:
            for number in range(1, self._num_workers + 1):
                self._begin(number)
            yield
        finally:
            self._stop()

    def look(self) -> bool:
        """Return True while a worker runs, after replacing those that were lost.

        Raises:
            StudyError: If one has failed, or the last was lost and is not replaced.
        """
        for number, worker in list(self._running.items()):
            try:
                ended = worker.look()
            except WorkerLostError as error:
                self._replace(number, str(error))
                continue
            if ended is None:
                continue
            if ended.status == FAILED:
                self._forget(number)
                raise StudyError(f"{_name(number, worker)}: {ended.message}")
            if ended.status:
                self._replace(number, _cause(ended.status))
            else:
                self._forget(number)
        return bool(self._running)

    def _begin(self, number: int, told: str = "") -> None:
        worker = self._start(number)
        self._running[number] = worker
        _logger.info("%s starts%s.", _name(number, worker), told)

    def _replace(self, number: int, cause: str) -> None:
        lost = f"{_name(number, self._running[number])} is lost: {cause.rstrip('.')}"
        self._forget(number)
        _logger.warning("%s.", lost)
        why_not = self._try_again(number)
        if not why_not:
            return
        if not self._running:
            raise StudyError(
                f"{lost}. It is not replaced: {why_not}. No worker is left; run the study again, "
                "it goes on"
            )
        _logger.warning("It is not replaced: %s.", why_not)

    def _try_again(self, number: int) -> str:
        """Start a worker in the place of a lost one; return why it cannot be, if it cannot."""
        if self._num_restarts == self._max_restarts:
            return f"workers.max_restarts is {self._max_restarts}"
        self._num_restarts += 1
        count = f"{self._num_restarts} of at most {self._max_restarts}"
        try:
            self._begin(number, f" in the place of a lost one ({count})")
        except InfeasibleError as error:
            return str(error)
        return ""

    def _forget(self, number: int) -> None:
        self._running.pop(number).kill()

    def _stop(self) -> None:
        try:
            for worker in self._running.values():
                worker.stop()
            deadline = time.monotonic() + _SECONDS_TO_STOP
            while self._running and time.monotonic() < deadline:
                for number, worker in list(self._running.items()):
                    if _has_ended(worker):
                        self._forget(number)
                if self._running:
                    time.sleep(_SECONDS_BETWEEN_LOOKS)
        finally:
            for number in list(self._running):
                self._forget(number)


def _has_ended(worker: PlacedWorker) -> bool:
    try:
        return worker.look() is not None
    except WorkerLostError:
        return True


def _name(number: int, worker: PlacedWorker) -> str:
    return f"Worker {number} on {worker.place}"


def _cause(status: int) -> str:
    if status < 0:
        try:
            return f"{signal.Signals(-status).name} ended its process"
        except ValueError:
            return f"signal {-status} ended its process"
    return f"its process ended with status {status}"
