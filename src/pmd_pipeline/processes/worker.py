"""A process that is always there: killed when a call takes too long, and replaced when lost."""

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
    """

    def __init__(self, start: Callable[[], ChildProcess]) -> None:
        self._start = start
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
            return self._child.call(method, timeout_seconds=timeout_seconds, **arguments)
        except (CallFailedError, ProcessStartError):
            raise  # the next call tries anew where the start failed
        except ChildError:
            self.replace()
            raise

    def replace(self) -> None:
        """Kill the process and start another one, as when a call leaves it in a bad state."""
        self._child.kill()
        if not self._is_discarded:
            self._child = self._start()

    def kill(self) -> None:
        """End the process at once and for good."""
        self._is_discarded = True
        self._child.kill()
