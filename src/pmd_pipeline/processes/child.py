"""A Python program that serves calls in a process of its own: the caller's side.

What the program imports, sets and binds stays there: threads, random generators, signal handlers,
environment variables. The process ends with its parent, however that ends.
"""

import contextlib
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pmd_pipeline.processes.errors import (
    CallFailedError,
    CallTimeoutError,
    ProcessEndedError,
    ProcessStartError,
)
from pmd_pipeline.processes.log import ProcessLog
from pmd_pipeline.processes.messages import read_message, write_message
from pmd_pipeline.processes.server import Report

START_SECONDS = 120.0  # a loaded machine may take long to import
_SECONDS_TO_END = 10.0
_PATIENT_FRACTION = 0.1  # of a call's time; one that takes longer is slow


class ChildProcess:
    """A process that starts in the background and is sent calls, one after the other.

    It is in a session of its own: Ctrl-C is for the parent. It finds the modules that the parent
    finds. It is killed, with all that it has started, by :meth:`kill`, when this object is
    forgotten, and when the interpreter ends; in a child made by ``os.fork``, none of the three does
    anything. Not safe for use by two threads at once.

    Args:
        program: A module's name, which ``python -m`` runs, or a script's path; it calls
            :func:`pmd_pipeline.processes.server.serve`. A script imports no more of this package
            than it says itself, a module imports the packages around it.
        name: For messages.
        environment: Variables over this process's own.
        start_seconds: What it may take until the first call can be answered.
        memory_limit_bytes: Of its address space, where the system has such a limit.
        keep_log: Whether the log of one that failed stays, for messages to name.
        advice_if_killed: What to do when the system killed it, for the message.

    Example::

        child = ChildProcess(Path("double.py"), name="doubling")
        child.call("double", value=2, timeout_seconds=1.0)
    """

    def __init__(
        self,
        program: str | Path,
        *,
        name: str,
        environment: Mapping[str, str] | None = None,
        start_seconds: float = START_SECONDS,
        memory_limit_bytes: int | None = None,
        keep_log: bool = False,
        advice_if_killed: str = "",
    ) -> None:
        self.name = name
        self._advice_if_killed = advice_if_killed
        self._start_seconds = start_seconds
        self._started = time.monotonic()
        self._is_ready = False
        self._owner = os.getpid()
        self._method = ""
        self._log = ProcessLog(keep=keep_log)
        self._connection, there = socket.socketpair()
        run = ["-m", program] if isinstance(program, str) else [str(program)]
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-P", *run, str(there.fileno()), str(memory_limit_bytes or 0)],
                pass_fds=[there.fileno()],
                env={**os.environ, "PYTHONPATH": search_path(), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=self._log.fileno(),
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _connections.add(self._connection)
        self._finalizer = weakref.finalize(
            self, _kill, self._process, self._connection, self._log, self._owner
        )

    @property
    def process_id(self) -> int:
        """The operating system's id of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process runs and can be called."""
        return self._finalizer.alive and self._process.poll() is None

    def send(self, method: str, /, **arguments: Any) -> None:
        """Begin a call; :meth:`receive` gives its result. The process need not be ready."""
        self._send(method, arguments, None)

    def receive(self, *, timeout_seconds: float | None = None, report: Report | None = None) -> Any:
        """Return the result of the call that was sent, passing on what it reports meanwhile.

        Args:
            timeout_seconds: From now, or from when the process is ready; no limit where None.
            report: Called with each value that the method reports.

        Raises:
            ProcessStartError: If the process does not get ready in its time.
            CallTimeoutError: If the time is over; the process is killed.
            ProcessEndedError: If the process ended, by itself or from outside.
            CallFailedError: If the method raised.
        """
        self.await_ready()
        return self._receive(timeout_seconds, _deadline(timeout_seconds), report)

    def call(
        self,
        method: str,
        /,
        *,
        timeout_seconds: float | None = None,
        when_slow: Callable[[], object] | None = None,
        **arguments: Any,
    ) -> Any:
        """Return what ``method(**arguments)`` returns there; raises as :meth:`receive` does.

        Arguments and result are pickled.

        Args:
            method: Of the object that the program serves.
            timeout_seconds: From when the process is ready; no limit where None.
            when_slow: Called once where a tenth of that time brings no answer.
            arguments: The method's, by name.
        """
        self.await_ready()
        deadline = _deadline(timeout_seconds)
        try:
            self._send(method, arguments, timeout_seconds, deadline)
        except TimeoutError:
            raise self._timeout(timeout_seconds) from None
        if when_slow is not None and timeout_seconds is not None:
            self._await_answer(timeout_seconds * _PATIENT_FRACTION, when_slow)
        return self._receive(timeout_seconds, deadline, None)

    def await_ready(self) -> None:
        """Wait until the process can answer calls; returns at once where it can.

        Raises:
            ProcessStartError: If it ends before, or its time is over; it is killed.
            ProcessEndedError: If it was killed before.
        """
        self._check_usable()
        if self._is_ready:
            return
        try:
            pickle.loads(self._read(self._started + self._start_seconds))
        except TimeoutError:
            what = f"did not start in {self._start_seconds:g} seconds"
        except EOFError:
            what = f"could not start: it {self._cause_of_end()}"
        except BaseException:
            self.kill()
            raise
        else:
            self._is_ready = True
            return
        words = self._log.last_words()
        self.kill()
        raise ProcessStartError(f"{self.name} {what}; {words}")

    def kill(self) -> None:
        """End the process at once, and what it has started; a second time does nothing."""
        self._finalizer()

    def _send(
        self,
        method: str,
        arguments: dict[str, Any],
        timeout_seconds: float | None,
        deadline: float | None = None,
    ) -> None:
        self._check_usable()
        message = pickle.dumps((method, arguments, timeout_seconds))
        self._method = method
        try:
            write_message(self._connection, message, deadline=deadline)
        except TimeoutError:
            raise
        except OSError:
            pass  # receive says why
        except BaseException:
            self.kill()  # half of a call lies there
            raise

    def _await_answer(self, patience_seconds: float, when_slow: Callable[[], object]) -> None:
        try:
            if not select.select([self._connection], [], [], patience_seconds)[0]:
                when_slow()
        except BaseException:
            self.kill()  # the answer to this call would be taken for the next one's
            raise

    def _receive(
        self, timeout_seconds: float | None, deadline: float | None, report: Report | None
    ) -> Any:
        try:
            while True:
                message = self._read(deadline)
                kind, value = self._unpickled(message)
                if kind != "report":
                    break
                if report is not None:
                    report(value)
        except TimeoutError:
            raise self._timeout(timeout_seconds) from None
        except EOFError:
            raise self._obituary() from None
        except CallFailedError:
            raise
        except BaseException:
            self.kill()  # the answer to this call would be taken for the next one's
            raise
        self._log.bound()
        if kind == "failed":
            raise self._failed(*value)
        return value

    def _read(self, deadline: float | None) -> bytes:
        try:
            return read_message(self._connection, deadline=deadline)
        except TimeoutError:
            raise
        except OSError:
            raise EOFError from None

    def _unpickled(self, message: bytes) -> Any:
        try:
            return pickle.loads(message)
        except Exception as error:
            text = traceback.format_exc()
            raise self._failed(
                type(error).__name__, f"its result cannot be read here: {error}", text
            ) from error

    def _check_usable(self) -> None:
        if self._owner != os.getpid():
            raise ValueError(
                f"the process of {self.name} was started before a fork, by the parent process: "
                "start one here"
            )
        if not self._finalizer.alive:
            raise ProcessEndedError(f"{self.name} was ended before this call: start another one")

    def _failed(self, error_type: str, error_message: str, traceback_text: str) -> CallFailedError:
        return CallFailedError(
            f"{self.name}: {self._method}: {error_type}: {error_message}{self._log.place()}",
            error_type=error_type,
            error_message=error_message,
            traceback_text=traceback_text,
        )

    def _timeout(self, timeout_seconds: float | None) -> CallTimeoutError:
        words = self._log.last_words()
        self.kill()
        return CallTimeoutError(
            f"{self.name} gave no answer in {timeout_seconds:g} seconds; {words}"
        )

    def _obituary(self) -> ProcessEndedError:
        cause = self._cause_of_end()
        words = self._log.last_words()
        self.kill()
        return ProcessEndedError(f"{self.name} {cause}; {words}")

    def _cause_of_end(self) -> str:
        try:
            status = self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        cause = f"ended with signal {-status}" if status < 0 else f"ended with status {status}"
        if status == -signal.SIGKILL and self._advice_if_killed:
            cause += f"; {self._advice_if_killed}"
        return cause


def _deadline(timeout_seconds: float | None) -> float | None:
    return None if timeout_seconds is None else time.monotonic() + timeout_seconds


def search_path() -> str:
    """Return where this process finds modules, after what it has set for its children since."""
    set_since = [e for e in os.environ.get("PYTHONPATH", "").split(os.pathsep) if e]
    own = [entry or os.curdir for entry in sys.path]
    return os.pathsep.join([*(entry for entry in set_since if entry not in own), *own])


def _kill(
    process: "subprocess.Popen[bytes]", connection: socket.socket, log: ProcessLog, owner: int
) -> None:
    if os.getpid() != owner:  # a forked child must not end its parent's processes
        return
    # Its own children are in its group; the group outlives it only where they do.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    connection.close()
    log.close()


# A forked child holds no connection, or the process would not see its parent's end.
_connections: "weakref.WeakSet[socket.socket]" = weakref.WeakSet()


def _close_connections() -> None:
    for connection in list(_connections):
        connection.close()
    _connections.clear()


os.register_at_fork(after_in_child=_close_connections)
