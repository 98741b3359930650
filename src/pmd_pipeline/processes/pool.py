"""Several processes that take calls side by side, each started when it is first needed."""

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class Killable(Protocol):
    """Stands for a process."""

    def kill(self) -> None: ...


WorkerT = TypeVar("WorkerT", bound=Killable)
Item = TypeVar("Item")
Result = TypeVar("Result")


class Pool(Generic[WorkerT]):
    """Lends workers to threads, one thread to a worker; the one used last is lent first.

    Args:
        start: Returns a new worker.
        num_workers: At most so many are started.
    """

    def __init__(self, start: Callable[[], WorkerT], num_workers: int) -> None:
        self._start = start
        self._num_workers = num_workers
        self._started: list[WorkerT] = []
        self._free: queue.LifoQueue[WorkerT | None] = queue.LifoQueue()
        for _ in range(num_workers):
            self._free.put(None)

    @property
    def started(self) -> tuple[WorkerT, ...]:
        """The workers started so far."""
        return tuple(self._started)

    def start(self, num_workers: int) -> None:
        """Start workers ahead of need, until there are so many or as many as there can be.

        They get ready in the background. Does nothing while all are lent.
        """
        idle: list[WorkerT | None] = []
        try:
            while not self._free.empty():
                idle.append(self._free.get_nowait())
            for i, worker in enumerate(idle):
                if worker is None and len(self._started) < num_workers:
                    idle[i] = started = self._start()
                    self._started.append(started)
        finally:
            # Those that run are lent first: last in, first out.
            for worker in sorted(idle, key=lambda worker: worker is not None):
                self._free.put(worker)

    @contextmanager
    def lend(self) -> Iterator[WorkerT]:
        """Lend a worker for the block; wait for a free one first, and start one where it needs."""
        worker = self._free.get()
        try:
            if worker is None:
                worker = self._start()
                self._started.append(worker)
            yield worker
        finally:
            self._free.put(worker)

    def map(self, call: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Return ``call`` of each item, in order; as many at a time as there can be workers."""
        if not items:
            return []
        with ThreadPoolExecutor(min(self._num_workers, len(items)), "pool") as threads:
            return list(threads.map(call, items))

    def kill(self) -> None:
        """End all processes; the pool cannot be used afterwards."""
        while self._started:
            self._started.pop().kill()
