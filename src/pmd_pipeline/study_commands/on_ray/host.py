"""The side of a worker that the driver talks to: it starts, watches and stops a program.

Apart from Ray's process, the program has signals, threads and a main thread of its own, as
``kedro study worker`` has them.
"""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pmd_pipeline.processes.child import search_path
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.study_commands.on_ray.request import check_shared

PROGRAM = "pmd_pipeline.study_commands.on_ray.worker"
FAILED = 1  # the exit status of a worker that says why: another one would fail too

_LAST_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a worker's program ended.

    Attributes:
        status: Its exit status; negative: the signal that ended it.
        message: What it says of its own failure; empty if it was ended from outside.
    """

    status: int
    message: str


class WorkerHost:
    """Hosts one worker."""

    def start(
        self,
        *,
        node: str,
        project: str,
        request: str,
        log: str,
        environment: Mapping[str, str],
    ) -> Ended | None:
        """Start the program; return why not, if it cannot be.

        Args:
            node: This node's address, for messages.
            project: The project's folder.
            request: A :class:`~pmd_pipeline.study_commands.on_ray.request.WorkerRequest` as JSON.
            log: The file that its output is added to.
            environment: Variables over this process's own.
        """
        try:
            check_shared(node, project)
            self._start(node, request, Path(log), environment)
        except (StudyError, OSError) as error:
            return Ended(status=FAILED, message=str(error))
        return None

    def look(self) -> Ended | None:
        """Return how the program ended; None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        assert self._process.stdout is not None
        message = self._process.stdout.read().decode(errors="replace").strip()
        if status == FAILED and not message:
            message = f"it could not start; its last words:\n{self._last_words()}"
        return Ended(status=status, message=message)

    def stop(self) -> None:
        """Ask the program to end as at Ctrl-C: its trial is queued again."""
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGTERM)

    def _start(self, node: str, request: str, log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab", buffering=0) as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", PROGRAM, node],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,  # for its last message alone
                stderr=output,
                env={**os.environ, "PYTHONPATH": search_path(), **environment},
                start_new_session=True,
            )
            began = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
            output.write(f"--- process {self._process.pid} on {node}, {began} UTC\n".encode())
        assert self._process.stdin is not None
        with self._process.stdin as pipe:
            pipe.write(request.encode())

    def _last_words(self) -> str:
        with self._log.open(encoding="utf-8", errors="replace") as lines:
            return "".join(deque(lines, maxlen=_LAST_LINES)).strip()
