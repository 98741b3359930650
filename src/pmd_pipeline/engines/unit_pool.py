"""Units given to whichever sampler is free, and their responses as they come in."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from pmd_pipeline.engines.base import GroupFinished
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion

Sampler = TypeVar("Sampler")
Group = tuple[int, list[Completion]]
ReportGroup = Callable[[Group], object]


class UnitHandle:
    """A unit under way. One thread puts finished groups in, another takes them out."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self._events: queue.SimpleQueue[Group | BaseException | None] = queue.SimpleQueue()

    def report(self, group: Group) -> None:
        """Take a prompt's position in the unit and its finished responses."""
        self._events.put(group)

    def end(self, error: BaseException | None = None) -> None:
        """Say that nothing more comes: the unit is done, or has failed."""
        self._events.put(error)

    def collect(
        self, *, progress: Progress | None = None, group_finished: GroupFinished | None = None
    ) -> list[list[Completion]]:
        """Return the responses to each prompt; waits for them; see `RolloutEngine.collect`.

        Raises:
            BaseException: What ended the unit.
        """
        groups: list[list[Completion]] = [[] for _ in self.unit.prompts]
        for position, group in self._finished():
            groups[position] = group
            if progress is not None:
                progress.update(len(group))
            if group_finished is not None:
                group_finished(position, group)
        return groups

    def _finished(self) -> Iterator[Group]:
        while (event := self._events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event


class UnitPool(Generic[Sampler]):
    """Samplers and the units that wait for one; each sampler has a thread that reads from it.

    Which sampler takes a unit depends on the clock; what the unit's responses are does not.

    Args:
        samplers: Each samples one unit at a time.
        sample: Has a sampler sample a unit, and reports the groups that are finished.
        name: Of the threads.
    """

    def __init__(
        self,
        samplers: Sequence[Sampler],
        sample: Callable[[Sampler, Unit, ReportGroup], object],
        *,
        name: str,
    ) -> None:
        self._sample = sample
        self._free: queue.SimpleQueue[Sampler] = queue.SimpleQueue()
        for sampler in samplers:
            self._free.put(sampler)
        self._threads = ThreadPoolExecutor(len(samplers), name)
        self._open: set[UnitHandle] = set()
        self._lock = threading.Lock()

    def submit(self, units: Sequence[Unit]) -> list[UnitHandle]:
        """Have units sampled, the first ones first; return their handles."""
        handles = [UnitHandle(unit) for unit in units]
        with self._lock:
            self._open.update(handles)
        for handle in handles:
            self._threads.submit(self._run, handle)
        return handles

    def close(self, error: BaseException) -> None:
        """Begin no further unit; whoever waits for one that is open gets ``error``."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            still_open, self._open = self._open, set()
        for handle in still_open:
            handle.end(error)

    def _run(self, handle: UnitHandle) -> None:
        sampler = self._free.get()
        try:
            self._sample(sampler, handle.unit, handle.report)
        except BaseException as error:
            self._end(handle, error)
        else:
            self._end(handle, None)
        finally:
            self._free.put(sampler)

    def _end(self, handle: UnitHandle, error: BaseException | None) -> None:
        with self._lock:
            is_open = handle in self._open
            self._open.discard(handle)
        if is_open:
            handle.end(error)
