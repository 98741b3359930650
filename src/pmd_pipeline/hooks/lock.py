"""One run at a time in a data folder.

The lock is the operating system's (``flock``), so it is free as soon as its holder is dead, however
it died. The file says who holds it. Other machines may see the file but not the lock, so the holder
also touches it from time to time: a sign of life.
"""

import fcntl
import json
import logging
import os
import socket
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

FILE_NAME = ".run.lock"

_SIGN_OF_LIFE_SECONDS = 20
_SILENT_SECONDS = 180

_logger = logging.getLogger(__name__)


class DataFolderInUseError(ValueError):
    """Another run is using the data folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lock."""

    pid: int
    host: str
    since: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since} ({self.command})"


def hold(data_root: Path) -> "DataLock":
    """Take a data folder for a run; one that this process holds already stays its own.

    A session that was interrupted, in a notebook for example, has not given its folder back.

    Raises:
        DataFolderInUseError: If another process holds it.
    """
    key = (os.getpid(), data_root.resolve())
    lock = _held.get(key)
    if lock is None or lock.is_released:
        lock = _held[key] = DataLock(data_root)
    return lock


def give_back() -> None:
    """Release all that this process holds: it was interrupted and writes no more.

    The next run would take its folder over as that of one that has died, and on another machine
    would first wait for its signs of life to be old.
    """
    for (pid, _), lock in _held.items():
        if pid == os.getpid():
            lock.release()


class DataLock:
    """A data folder, held by this process until :meth:`release` or its end."""

    def __init__(self, data_root: Path) -> None:
        """Take the lock; a dead holder's is taken over.

        Raises:
            DataFolderInUseError: If another process holds it.
        """
        self._path = data_root / FILE_NAME
        self._file = self._path.open("a+", encoding="utf-8")
        self._ended = threading.Event()
        try:
            self._take()
        except BaseException:
            self._file.close()
            raise
        threading.Thread(target=self._show_life, daemon=True).start()

    @property
    def is_released(self) -> bool:
        """Whether the folder is free again."""
        return self._file.closed

    def release(self) -> None:
        """Free the folder; does nothing the second time."""
        if not self._file.closed:
            self._ended.set()
            self._file.truncate(0)
            self._file.close()

    def _take(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._in_use(self._holder(), "wait until it has ended") from None
        former = self._holder()
        if former is not None and former.host != socket.gethostname():
            silent = _seconds_since_change(self._path)
            if silent < _SILENT_SECONDS:
                raise self._in_use(
                    former,
                    f"its last sign of life is {silent:.0f} s old; if that machine has stopped, "
                    f"try again in {_SILENT_SECONDS} s, or delete {self._path}",
                )
        if former is not None:
            _logger.warning("Taking over from a run that has died: %s.", former)
        own = Holder(
            pid=os.getpid(),
            host=socket.gethostname(),
            since=datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
            command=_command(),
        )
        self._file.truncate(0)
        self._file.write(json.dumps(asdict(own)))
        self._file.flush()

    def _holder(self) -> Holder | None:
        """Return who holds the lock or died with it; None after an ordinary end."""
        self._file.seek(0)
        try:
            return Holder(**json.loads(self._file.read()))
        except (ValueError, TypeError):
            return None

    def _in_use(self, holder: Holder | None, remedy: str) -> DataFolderInUseError:
        return DataFolderInUseError(
            f"another run is using {self._path.parent}: {holder or 'it is just starting'}. Two "
            f"runs in one folder would remove each other's results; {remedy}, or give this one a "
            "folder of its own (data_root in conf/<env>/globals.yml)"
        )

    def _show_life(self) -> None:
        while not self._ended.wait(_SIGN_OF_LIFE_SECONDS):
            try:
                os.utime(self._file.fileno())
            except (OSError, ValueError):  # released meanwhile, or the folder is out of reach
                continue


_held: dict[tuple[int, Path], DataLock] = {}


def _seconds_since_change(path: Path) -> float:
    """Return the age of a file's last change, by the clock of the file system."""
    with tempfile.NamedTemporaryFile(dir=path.parent) as probe:
        return Path(probe.name).stat().st_mtime - path.stat().st_mtime


def _command() -> str:
    program = Path(sys.argv[0])
    name = program.parent.name if program.stem == "__main__" else program.name
    return " ".join([name, *sys.argv[1:]])
