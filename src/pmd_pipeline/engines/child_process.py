"""A Python module that serves calls in a process of its own.

What the module imports, sets and binds stays there: threads, random generators, signal handlers,
environment variables. The process ends with its parent, however that ends.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, NoReturn

from pmd_pipeline.engines.errors import EngineFailedError

SECONDS_TO_END = 10.0
_SECONDS_BETWEEN_LOOKS = 0.5
_LAST_LINES = 15

Report = Callable[[float], object]


class ChildProcess:
    """The parent's side: sends a call, receives its result.

    Args:
        module: What ``python -m`` runs; its ``__main__`` calls :func:`serve`.
        environment: Variables over this process's own.
        name: For messages.
    """

    def __init__(self, module: str, *, environment: Mapping[str, str], name: str) -> None:
        self.name = name
        descriptor, path = tempfile.mkstemp(prefix="pmd_pipeline_", suffix=".log")
        self._log = Path(path)
        here, there = Pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(there.fileno())],
                pass_fds=[there.fileno()],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the parent, which then ends this one
            )
        finally:
            os.close(descriptor)
            there.close()
        self.connection = here
        self._has_failed = False
        atexit.register(self.close)

    @property
    def process_id(self) -> int:
        """The operating system's id of the process."""
        return self._process.pid

    def send(self, method: str, **arguments: Any) -> None:
        """Begin a call; :meth:`receive` gives its result."""
        with contextlib.suppress(BrokenPipeError):  # receive says why
            self.connection.send((method, arguments))

    def receive(self, *, timeout_seconds: float | None = None, report: Report | None = None) -> Any:
        """Return the result of the call that was sent, passing on what it reports meanwhile.

        Raises:
            EngineFailedError: If the call raised, the process ended, or the time is over.
        """
        ends = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while True:
            left = None if ends is None else max(0.0, ends - time.monotonic())
            try:
                if not self.connection.poll(left):
                    raise self._failure(
                        f" gave no answer in {timeout_seconds:g} seconds; {self._last_words()}"
                    )
                kind, value = self.connection.recv()
            except (EOFError, OSError):
                raise self._failure(self._obituary()) from None
            if kind == "report":
                if report is not None:
                    report(value)
            elif kind == "failed":
                raise self._failure(f": {value}\n(its whole log: {self._log})")
            else:
                return value

    def call(self, method: str, *, timeout_seconds: float | None = None, **arguments: Any) -> Any:
        """Send and receive."""
        self.send(method, **arguments)
        return self.receive(timeout_seconds=timeout_seconds)

    def close(self) -> None:
        """End the process and what it has started; the log of one that failed stays."""
        atexit.unregister(self.close)
        self.connection.close()  # it ends by itself when nobody can call it any more
        try:
            ended_well = self._process.wait(SECONDS_TO_END) == 0
        except subprocess.TimeoutExpired:
            ended_well = False
        # Its own children are in its group; the group outlives it only where they do.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if ended_well and not self._has_failed:
            self._log.unlink(missing_ok=True)

    def _failure(self, what: str) -> EngineFailedError:
        self._has_failed = True
        return EngineFailedError(f"{self.name}{what}")

    def _obituary(self) -> str:
        try:
            status = self._process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            return f" closed its connection; {self._last_words()}"
        cause = f"signal {-status}" if status < 0 else f"status {status}"
        hint = (
            "; the system may have killed it for memory: lower gpu_memory_utilization or "
            "kv_cache_gib"
            if status == -signal.SIGKILL
            else ""
        )
        return f" ended with {cause}{hint}; {self._last_words()}"

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(
            ["its last words:", *lines[-_LAST_LINES:], f"(its whole log: {self._log})"]
        )


def serve(connection: Connection, target: object) -> NoReturn:
    """Answer calls of ``target``'s methods until the parent closes the connection, then exit.

    A method that has a parameter ``report`` may call it with a number of finished units.
    """
    _end_with_parent()
    while True:
        try:
            method, arguments = connection.recv()
        except EOFError:
            # No clean-up of libraries, which may wait for threads that never end.
            sys.stdout.flush()
            os._exit(0)
        try:
            answer = ("done", _call(connection, getattr(target, method), arguments))
        except Exception as error:
            traceback.print_exc()
            answer = ("failed", f"{method}: {type(error).__name__}: {error}")
        connection.send(answer)


def _call(connection: Connection, method: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    if "report" in method.__annotations__:
        arguments = arguments | {"report": lambda n: connection.send(("report", n))}
    return method(**arguments)


def _end_with_parent() -> None:
    """Kill this process's group as soon as its parent is gone, whatever it computes then."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
