"""A process for computer algebra that can be killed, and is when it takes too long."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from pmd_pipeline.rewards.equivalence import AlgebraQuestion, Verdict

START_SECONDS = 120.0  # a loaded machine may take long to import SymPy
MEMORY_LIMIT_BYTES = 2 * 1024**3
_SCRIPT = Path(__file__).with_name("_algebra_worker.py")


class GradingWorkerError(RuntimeError):
    """A grading process cannot be started."""


class AlgebraWorker:
    """One process that compares answers by math-verify, restarted whenever it is killed.

    Not safe for use by two threads at once. The process starts with the object and gets ready in
    the background; no comparison's time limit includes that.
    """

    def __init__(self) -> None:
        self._discarded = False
        self._start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, question: AlgebraQuestion, timeout_seconds: float) -> Verdict:
        """Compare within ``timeout_seconds``; a process that needs longer, or dies, is replaced.

        Returns:
            The verdict; ``LIMIT`` if the time or the memory did not suffice.

        Raises:
            GradingWorkerError: If no process can be started.
        """
        if self._process.poll() is not None:  # died while idle, by someone else's hand
            self._restart()
        if not self._ready:
            self._await_ready()
        request = {
            "gold": question.gold,
            "values": question.values,
            "deadline_seconds": timeout_seconds,
        }
        reply = None
        try:
            os.write(self._input.fileno(), json.dumps(request).encode() + b"\n")
            reply = self._read_line(time.monotonic() + timeout_seconds)
        except BrokenPipeError:
            pass
        verdict = Verdict(reply["verdict"]) if reply is not None else Verdict.LIMIT
        if verdict is Verdict.LIMIT:
            self._restart()  # hung, dead, or perhaps short of memory from now on
        return verdict

    def kill(self) -> None:
        """End the process at once and for good."""
        self._discarded = True
        self._end()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._input, self._output, self._errors):
            stream.close()

    def _restart(self) -> None:
        self._end()
        if not self._discarded:
            self._start()

    def _start(self) -> None:
        self._ready = False
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by _end)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "PYTHONHASHSEED": "0",  # SymPy's orderings, and so its verdicts, are the same each time
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_SCRIPT), str(MEMORY_LIMIT_BYTES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            bufsize=0,
            start_new_session=True,  # an interrupt from the keyboard is the parent's to handle
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    def _await_ready(self) -> None:
        if self._read_line(time.monotonic() + START_SECONDS) is None:
            self._process.kill()
            self._process.wait()
            self._errors.seek(0)
            errors = self._errors.read().decode(errors="replace").strip()
            raise GradingWorkerError(
                f"a grading process ({sys.executable} {_SCRIPT.name}) did not start within "
                f"{START_SECONDS:.0f} s: check that math-verify can be imported. It said: "
                f"{errors[-2000:] or 'nothing'}"
            )
        self._ready = True

    def _read_line(self, deadline: float) -> dict[str, Any] | None:
        """Return the next message, or None if the deadline passes or the process ends."""
        poll = select.poll()
        poll.register(self._output.fileno(), select.POLLIN | select.POLLHUP)
        received = b""
        while not received.endswith(b"\n"):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not poll.poll(remaining * 1000):
                return None
            chunk = os.read(self._output.fileno(), 65536)
            if not chunk:
                return None
            received += chunk
        message: dict[str, Any] = json.loads(received)
        return message
