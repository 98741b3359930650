"""What a process writes to its standard output and error: a file without a name, or with one."""

import os
import tempfile
from pathlib import Path

MAX_BYTES = 64 * 1024**2
_LAST_BYTES = 16 * 1024
_LAST_LINES = 15
_PREFIX, _SUFFIX = "pmd_pipeline_", ".log"


class ProcessLog:
    """A log that is gone with the processes that hold it, unless it is kept.

    Args:
        keep: Whether a failure gives it a name, so that it can be read as a whole.
    """

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._kept_as: Path | None = None
        descriptor, path = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX)
        os.close(descriptor)
        try:  # each write goes to the end, wherever that is by then
            self._file = open(path, "a+b", buffering=0)  # noqa: SIM115 (closed by close)
        finally:
            os.unlink(path)

    def fileno(self) -> int:
        """Return the descriptor that the process writes to."""
        return self._file.fileno()

    def last_words(self) -> str:
        """Return the last lines, and where the whole log is, for a message."""
        text = self._read(max(0, self._size() - _LAST_BYTES)).decode("utf-8", errors="replace")
        lines = text.strip().splitlines()[-_LAST_LINES:]
        return "\n".join(["its last words:", *lines] if lines else ["it said nothing"]) + (
            self.place()
        )

    def place(self) -> str:
        """Return a line that says where the whole log is; an empty text where it is not kept."""
        if not self._keep or self._file.closed:
            return ""
        if self._kept_as is None:
            descriptor, path = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX)
            os.close(descriptor)
            self._kept_as = Path(path)
        self._kept_as.write_bytes(self._read(0))
        return f"\n(its whole log: {self._kept_as})"

    def bound(self) -> None:
        """Forget all of it when it has grown too long."""
        if self._size() > MAX_BYTES:
            os.ftruncate(self._file.fileno(), 0)

    def close(self) -> None:
        """Let go of the file; what was kept stays."""
        self._file.close()

    def _size(self) -> int:
        if self._file.closed:  # killed from another thread
            return 0
        return os.fstat(self._file.fileno()).st_size

    def _read(self, start: int) -> bytes:
        size = self._size()
        return os.pread(self._file.fileno(), size - start, start) if size > start else b""
