"""A process that is always there: killed when a call takes too long, and replaced when lost."""

import contextlib
from collections.abc import Callable
from typing import Any

from pmd_pipeline.processes.child import ChildProcess
from pmd_pipeline.processes.errors import CallFailedError, ChildError, ProcessStartError


class Worker:
    """Calls of a process that is started anew whenever it is lost.

    The first process starts with the object, each replacement as soon as the one before is lost:
    they get ready in the background, and no call's time limit includes that. Not safe for use by
    two threads at once, but :meth:`kill` may come from another one.

    Args:
        start: Returns a new process.
        keeps_reserve: Whether a second process is started when a call is slow, to take the first
            one's place where that has to be killed: then no call waits for a start.
    """

    def __init__(self, start: Callable[[], ChildProcess], *, keeps_reserve: bool = False) -> None:
        self._start = start
        self._keeps_reserve = keeps_reserve
        self._reserve: ChildProcess | None = None
        self._is_discarded = False
        self._child = start()

    @property
    def process_id(self) -> int:
        """The operating system's id of the process that is there now."""
        return self._child.process_id

    def call(
        self, method: str, /, *, timeout_seconds: float | None = None, **arguments: Any
    ) -> Any:
        """Return what ``method(**arguments)`` returns there.

        Raises:
            CallTimeoutError, ProcessEndedError: If the process had to be killed, or has ended; the
                next one starts already.
            CallFailedError: If the method raised; the process stays.
            ProcessStartError: If no process can be started.
        """
        if not self._child.is_alive:  # died while idle, by someone else's hand
            self.replace()
        try:
            return self._child.call(
                method, timeout_seconds=timeout_seconds, when_slow=self._prepare, **arguments
            )
        except (CallFailedError, ProcessStartError):
            raise  # the next call tries anew where the start failed
        except ChildError:
            self.replace()
            raise

    def replace(self) -> None:
        """Kill the process and start another one, as when a call leaves it in a bad state."""
        self._child.kill()
        if self._is_discarded:
            return
        reserve, self._reserve = self._reserve, None
        self._child = reserve if reserve is not None and reserve.is_alive else self._start()

    def kill(self) -> None:
        """End the process at once and for good, and the one in reserve."""
        self._is_discarded = True
        self._end_if_discarded()

    def _end_if_discarded(self) -> None:
        for child in (self._child, self._reserve):
            if self._is_discarded and child is not None:
                child.kill()

    def _prepare(self) -> None:
        if not self._keeps_reserve or self._reserve is not None or self._is_discarded:
            return
        with contextlib.suppress(OSError):  # without one, a call may wait for a start
            self._reserve = self._start()
        self._end_if_discarded()
