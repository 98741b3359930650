"""What Ray says, in a file instead of the console."""

import functools
import logging
from pathlib import Path
from types import ModuleType
from typing import Any

_FORMAT = "%(asctime)s %(levelname)s %(message)s"


class RayNoise:
    """A file for Ray's messages and for what its workers print, until it is closed.

    Ray prints these from threads of its own, in the middle of progress bars: some hundred lines
    when a node is lost. What has to be known of it, errors here say.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", buffering=1, encoding="utf-8", errors="replace")
        self._handler = logging.StreamHandler(self._file)
        self._handler.setFormatter(logging.Formatter(_FORMAT))
        self._logger = logging.getLogger("ray")
        self._former = (self._logger.handlers[:], self._logger.propagate)
        self._logger.handlers[:] = [self._handler]
        self._logger.propagate = False
        self._worker: ModuleType | None = None
        self._print: Any = None

    def catch_prints(self, worker: ModuleType) -> None:
        """Have what Ray prints written to the file; ``worker`` is ``ray._private.worker``.

        Ray has no setting for it. If a version has no such function, it prints to the console.
        """
        original = getattr(worker, "print_worker_logs", None)
        if original is None:
            return

        @functools.wraps(original)
        def to_file(data: Any, print_file: Any, *arguments: Any, **options: Any) -> None:
            original(data, self._file, *arguments, **options)

        self._worker, self._print = worker, original
        worker.print_worker_logs = to_file  # type: ignore[attr-defined]

    def close(self) -> None:
        """Let Ray's messages go where they went before."""
        if self._worker is not None:
            self._worker.print_worker_logs = self._print  # type: ignore[attr-defined]
        self._logger.handlers[:], self._logger.propagate = self._former
        self._file.close()
