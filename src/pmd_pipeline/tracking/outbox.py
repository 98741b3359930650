"""Records for MLflow, kept on disk until they are sent.

Each process writes a folder of its own::

    data/mlflow_outbox/20260131T120000.000000-4711/
        journal.jsonl   one record per line, in order; only ever appended to
        sent.jsonl      the numbers of those that are sent; only ever appended to
        files/7/        the file of record 7, until it is sent

The journal is locked as long as its process lives, and the system frees it when the process dies:
whoever can lock it may send what is left. A record may reach the store twice, where a process died
between sending it and noting so; see :mod:`pmd_pipeline.tracking.sending` for why that changes
nothing.
"""

import fcntl
import itertools
import json
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pmd_pipeline.files import whole_file

FOLDER_NAME = "mlflow_outbox"
"""Below the data folder."""

Kind = Literal[
    "create",
    "metrics",
    "parameters",
    "tags",
    "description",
    "chart_view",
    "inputs",
    "artifact",
    "best_model",
    "traces",
    "status",
]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Something for one run.

    Attributes:
        number: Counts from 1 within its outbox.
        kind: What it is.
        run: The run's id, or the key of a run that the store may not have yet.
        values: As JSON; what they mean depends on the kind.
    """

    number: int
    kind: Kind
    run: str
    values: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class _Waiting:
    record: Record
    content: bytes | None = None


@dataclass(slots=True)
class Outbox:
    """One process's records, locked against other processes; safe for two threads.

    Made by :meth:`begin` and :meth:`take_over`.

    Attributes:
        folder: Where they are.
        run_ids: The id that the store gave to a run, by the run's key.
    """

    folder: Path
    run_ids: dict[str, str] = field(default_factory=dict)
    _journal: int = -1
    _waiting: dict[int, _Waiting] = field(default_factory=dict)
    # Numbers of those that are in memory alone, in order: few, however many wait to be sent.
    _unwritten: dict[int, None] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _is_full: bool = False

    @classmethod
    def begin(cls, root: Path) -> "Outbox":
        """Return an empty outbox in a new folder below ``root``.

        Raises:
            OSError: If it cannot be made.
        """
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}"
        hidden = root / f".{name}"
        hidden.mkdir(parents=True)
        # Locked before others can find it.
        journal = _lock(hidden / "journal.jsonl")
        assert journal is not None
        os.rename(hidden, root / name)
        return cls(root / name, _journal=journal)

    @classmethod
    def take_over(cls, folder: Path) -> "Outbox | None":
        """Return what another process has left; None if it is still at work or all is sent."""
        path = folder / "journal.jsonl"
        journal = _lock(path)
        if journal is None:
            return None
        outbox = cls(folder, _journal=journal)
        try:
            is_same = os.fstat(journal).st_ino == path.stat().st_ino
        except FileNotFoundError:  # its process has sent all and removed it in the meantime
            is_same = False
        if not is_same:
            os.close(journal)
            return None
        for record in _read(path, Record):
            outbox._waiting[record.number] = _Waiting(record=record)
        for line in _read(folder / "sent.jsonl", dict):
            outbox._waiting.pop(line["number"], None)
            outbox.run_ids.update(line.get("run_ids", {}))
        return outbox

    def add(
        self, kind: Kind, run: str, values: dict[str, Any], content: bytes | None = None
    ) -> None:
        """Keep a record; on disk when this returns, in memory alone while the disk is full.

        Args:
            kind: Of the record.
            run: Id or key of its run.
            values: JSON values.
            content: Of an artifact's file.
        """
        record = Record(number=next(self._numbers), kind=kind, run=run, values=values)
        with self._lock:
            self._waiting[record.number] = _Waiting(record=record, content=content)
            self._unwritten[record.number] = None
            self.write()

    def write(self) -> None:
        """Write what is in memory alone, in order, as far as the disk permits."""
        with self._lock:
            try:
                for number in list(self._unwritten):
                    self._write(self._waiting[number])
                    del self._unwritten[number]
            except OSError as error:
                if not self._is_full:
                    _logger.warning(
                        "Records for MLflow cannot be kept in %s (%s); they wait in memory, and "
                        "are lost if this process ends before they are sent",
                        self.folder,
                        error.strerror or error,
                    )
                self._is_full = True
            else:
                self._is_full = False

    def waiting(self) -> list[Record]:
        """Return the records that are not sent yet, in order."""
        with self._lock:
            return [waiting.record for waiting in self._waiting.values()]

    @property
    def num_in_memory(self) -> int:
        """How many of them are not on disk."""
        with self._lock:
            return len(self._unwritten)

    def artifact(self, record: Record) -> Path:
        """Return the file of an artifact; written now where the disk was full before.

        Raises:
            OSError: If it cannot be written.
        """
        with self._lock:
            path = self._file(record)
            content = self._waiting[record.number].content
            if content is not None and not path.is_file():
                _write_file(path, content)
            return path

    def mark_sent(self, record: Record) -> None:
        """Forget a record and its file."""
        with self._lock:
            self._waiting.pop(record.number, None)
            self._unwritten.pop(record.number, None)
            new = {record.run: self.run_ids[record.run]} if record.kind == "create" else {}
            try:
                with (self.folder / "sent.jsonl").open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"number": record.number, "run_ids": new}) + "\n")
                if record.kind == "artifact":
                    shutil.rmtree(self._file(record).parent, ignore_errors=True)
            except OSError:
                # It will be sent once more, which changes nothing.
                _logger.debug("cannot note record %d as sent", record.number, exc_info=True)

    def release(self) -> None:
        """Give the outbox up; an empty one is removed."""
        with self._lock:
            if not self._waiting:
                shutil.rmtree(self.folder, ignore_errors=True)
            os.close(self._journal)
            self._journal = -1

    def _write(self, waiting: _Waiting) -> None:
        if waiting.content is not None:
            _write_file(self._file(waiting.record), waiting.content)
        # It begins with a line end, since a full disk may have left a part of a line.
        line = f"\n{json.dumps(asdict(waiting.record))}\n".encode()
        written = os.write(self._journal, line)
        if written < len(line):
            raise OSError("the disk is full")
        os.fsync(self._journal)
        waiting.content = None

    def _file(self, record: Record) -> Path:
        name = PurePosixPath(record.values["path"]).name
        return self.folder / "files" / str(record.number) / name


def left_outboxes(root: Path) -> list[Path]:
    """Return the folders below ``root``, the oldest first."""
    return sorted(path for path in root.glob("[0-9]*") if (path / "journal.jsonl").is_file())


def num_waiting(folder: Path) -> int:
    """Return how many records of an outbox are not sent, whoever holds it."""
    sent = {line["number"] for line in _read(folder / "sent.jsonl", dict)}
    numbers = {record.number for record in _read(folder / "journal.jsonl", Record)}
    return len(numbers - sent)


def num_waiting_below(root: Path) -> int:
    """Return how many records of all outboxes below ``root`` are not sent."""
    return sum(map(num_waiting, left_outboxes(root)))


def _write_file(path: Path, content: bytes) -> None:
    with whole_file(path) as partial:
        partial.write_bytes(content)


def _lock(path: Path) -> int | None:
    try:
        journal = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(journal)
        return None
    return journal


def _read(path: Path, kind: type) -> Iterator[Any]:
    """Yield the lines of a file; a process that was killed may have left a part of one."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in filter(None, lines):
        try:
            yield kind(**json.loads(line))
        except (ValueError, TypeError):
            _logger.warning("%s: a damaged line is skipped: %.60s", path, line)
