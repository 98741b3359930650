"""Runs what a plan needs, several units at a time, each in a process of its own."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from pmd_pipeline.claims.costs import UnitCosts
from pmd_pipeline.claims.plan import ClaimsPlan
from pmd_pipeline.claims.results import UnitResult
from pmd_pipeline.claims.store import ResultStore
from pmd_pipeline.claims.units import Unit
from pmd_pipeline.processes.child import ChildProcess
from pmd_pipeline.processes.errors import CallFailedError, ChildError, ProcessStartError
from pmd_pipeline.processes.worker import Worker

_PROGRAM = "pmd_pipeline.claims.unit_worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A unit that has just ended: with its result, or with an error."""

    unit: Unit
    result: UnitResult | None
    error: str = ""


Report = Callable[[Finished], None]


class UnitProcess(Protocol):
    """What runs units: `processes.worker.Worker`, or a stand-in for tests."""

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Return what the method of ``unit_worker.UnitServer`` returns.

        Raises:
            ChildError: If it returns nothing.
        """

    def kill(self) -> None:
        """End it at once and for good; may come from another thread."""


def start_process() -> UnitProcess:
    """Return a process that runs units, replaced where it dies."""
    return Worker(_start)


class ClaimsLoop:
    """Does the missing units of a plan; a second loop over the same folder finds nothing to do.

    Args:
        folder: Of the initial policies.
        store: Where results are kept.
        num_workers: Processes at a time.
        is_polite: Whether they let everything else on the machine go first.
        stop_after_seconds: No unit is begun later than that; None: all are.
        start: Returns a new process.
        report: Told of each unit that ends.
    """

    def __init__(
        self,
        folder: Path,
        store: ResultStore,
        *,
        num_workers: int,
        is_polite: bool = False,
        stop_after_seconds: float | None = None,
        start: Callable[[], UnitProcess] = start_process,
        report: Report,
    ) -> None:
        self._folder = folder
        self._store = store
        self._num_workers = num_workers
        self._is_polite = is_polite
        self._deadline = (
            None if stop_after_seconds is None else time.monotonic() + stop_after_seconds
        )
        self._start = start
        self._report = report
        self._failed: dict[str, str] = {}
        self._is_stopped = False
        self._lock = threading.Lock()
        self._workers: list[UnitProcess] = []

    def run(self, plan: ClaimsPlan) -> dict[str, str]:
        """Run tunings, then pair after pair; return the error of each unit that has failed.

        What depends on a tuning that has failed is left out.
        """
        try:
            self._run(plan.tuning_units())
            pairs = plan.pair_units(plan.chosen(self._store))
            for units in pairs:
                beside = [unit for unit in units if not unit.alone]
                costs = UnitCosts(chain.from_iterable(pairs), self._store)
                # The longest first: no process is left alone with one at the end.
                self._run(
                    sorted(beside, key=lambda unit: -(costs.seconds(unit) or unit.num_rollouts))
                )
                self._run([unit for unit in units if unit.alone], num_workers=1)
        finally:
            self._stop()
        return self._failed

    @property
    def is_late(self) -> bool:
        """Whether no more units are begun."""
        is_over = self._deadline is not None and time.monotonic() >= self._deadline
        return self._is_stopped or is_over

    def _run(self, units: Sequence[Unit], *, num_workers: int | None = None) -> None:
        waiting: queue.SimpleQueue[Unit] = queue.SimpleQueue()
        missing = self._store.missing(units)
        for unit in missing:
            waiting.put(unit)
        count = min(num_workers or self._num_workers, len(missing))
        if count == 0:
            return
        while len(self._workers) < count:
            self._workers.append(self._start())
        with ThreadPoolExecutor(count, "claims") as threads:
            try:
                list(threads.map(lambda worker: self._work(worker, waiting), self._workers[:count]))
            except BaseException:
                self._stop()
                raise

    def _stop(self) -> None:
        self._is_stopped = True
        for worker in self._workers:
            worker.kill()

    def _work(self, worker: UnitProcess, waiting: "queue.SimpleQueue[Unit]") -> None:
        while not self.is_late:
            try:
                unit = waiting.get_nowait()
            except queue.Empty:
                return
            self._do(worker, unit)

    def _do(self, worker: UnitProcess, unit: Unit) -> None:
        try:
            result = self._call(worker, unit)
        except ChildError as error:
            if self._is_stopped:  # by ourselves
                return
            text = error.error_message if isinstance(error, CallFailedError) else str(error)
            with self._lock:
                self._failed[unit.key] = text
                self._report(Finished(unit=unit, result=None, error=text))
            return
        with self._lock:
            self._store.write(unit, result)
            self._report(Finished(unit=unit, result=result))

    def _call(self, worker: UnitProcess, unit: Unit) -> UnitResult:
        """A process that dies is replaced, and the unit tried once more; an error is an answer."""
        try:
            return self._once(worker, unit)
        except (CallFailedError, ProcessStartError):
            raise
        except ChildError:
            if self._is_stopped:
                raise
            return self._once(worker, unit)

    def _once(self, worker: UnitProcess, unit: Unit) -> UnitResult:
        if self._is_polite:
            worker.call("be_polite")
        result: UnitResult = worker.call("run", unit=unit, folder=self._folder)
        return result


def _start() -> ChildProcess:
    return ChildProcess(
        _PROGRAM,
        name="a process that runs units",
        environment={"OMP_NUM_THREADS": "1"},
        keep_log=True,
        advice_if_killed="was there enough memory? try fewer --workers",
    )
