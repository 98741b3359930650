"""A snapshot on this machine until it is sent: hard links to its files, beside the list of them.

A link keeps a file's content when the run replaces or removes the file, and takes no space until
then; a file that is at the address already has none. Only the newest snapshot is kept, since it has
all that still matters of an older one::

    data/remote_outbox/known.json       which snapshots are this data folder's, and what is sent
    data/remote_outbox/latest.json      the newest one that was made or fetched here
    data/remote_outbox/00000003/        the one that is to be sent
        snapshot.json
        files/06_models/...
"""

import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pmd_pipeline.files import read_sealed_json, sync, write_sealed_json
from pmd_pipeline.remote.errors import RemoteError
from pmd_pipeline.remote.snapshot import Snapshot, StoredFile

FOLDER_NAME = "remote_outbox"
"""Below the data folder."""

STATE = "run_state.json"
"""The file by which a run goes on: fetched last, and another one after each command."""

_KNOWN = "known.json"
_LATEST = "latest.json"
_LIST = "snapshot.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A snapshot that is to be sent.

    Attributes:
        folder: Where it waits.
        snapshot: What it is.
    """

    folder: Path
    snapshot: Snapshot

    def local(self) -> dict[str, Path]:
        """Return its files on this machine, by path: linked ones, or those of the run."""
        data_root = self.folder.parents[1]
        links = {path: self.folder / "files" / path for path in self.snapshot.files}
        return {path: link if link.exists() else data_root / path for path, link in links.items()}


@dataclass(slots=True, kw_only=True)
class _Known:
    """What is known of an address.

    Attributes:
        address: Of the folder where snapshots are.
        writer: The name of this data folder in its snapshots.
        sent: Number of the last snapshot that is there.
        follows: Name of another's snapshot that this data folder goes on from, "" for none.
    """

    address: str
    writer: str
    sent: int = 0
    follows: str = ""


class Outbox:
    """What a data folder has for an address; used by a process that holds the folder's lock.

    Args:
        data_root: The data folder.
        address: Of the folder where snapshots are.
    """

    def __init__(self, data_root: Path, address: str) -> None:
        self.folder = data_root / FOLDER_NAME
        self.address = address
        self._in_use: Path | None = None
        self._lock = threading.Lock()
        self._known = _Known(address=address, writer=uuid.uuid4().hex[:8])
        self.latest: Snapshot | None = None
        try:
            known = _Known(**read_sealed_json(self.folder / _KNOWN))
            if known.address == address:
                self._known = known
                self.latest = Snapshot.read(self.folder / _LATEST)
        except (FileNotFoundError, ValueError):
            # Damaged, they say nothing: what is at the address then counts as another folder's.
            return

    def knows(self, snapshot: Snapshot) -> bool:
        """Return True for a snapshot that this data folder has made, or goes on from."""
        return snapshot.writer == self._known.writer or snapshot.name == self._known.follows

    def follow(self, snapshot: Snapshot) -> None:
        """Take a snapshot that is at the address for the one that this folder goes on from."""
        with self._lock:
            self._known.sent = snapshot.number
            self._known.follows = snapshot.name
            self._note(snapshot)

    def stage(self, files: Mapping[str, Path], checksums: Mapping[str, str]) -> bool:
        """Keep the results as they are now, to be sent; return False if they were before.

        Args:
            files: By path below the data folder.
            checksums: SHA-256 of each.

        Raises:
            OSError: If that is not possible.
        """
        stored = {
            path: StoredFile(sha256=checksums[path], size=file.stat().st_size)
            for path, file in sorted(files.items())
        }
        former = self.latest
        if former is not None and _results(former.files) == _results(stored):
            is_kept = former.number <= self._known.sent or self.waiting() is not None
            if is_kept:
                return False
        snapshot = Snapshot(
            number=1 if former is None else former.number + 1,
            writer=self._known.writer,
            files=stored,
            parent="" if former is None else former.name,
        )
        is_sent = former is not None and former.number == self._known.sent
        there = former.files if former is not None and is_sent else {}
        with _new_folder(self.folder / f"{snapshot.number:08d}") as folder:
            for path, file in files.items():
                if there.get(path) != stored[path]:  # what is at the address need not be kept here
                    _link(file, folder / "files" / path)
            snapshot.write(folder / _LIST)
        with self._lock:
            self._note(snapshot)
            for older in self._staged_folders():
                if older != self._in_use and int(older.name) != snapshot.number:
                    shutil.rmtree(older, ignore_errors=True)
        return True

    def waiting(self) -> Staged | None:
        """Return the newest snapshot that is not sent, None if all is.

        Raises:
            RemoteError: If it is damaged.
        """
        for folder in reversed(self._staged_folders()):
            try:
                snapshot = Snapshot.read(folder / _LIST)
            except (OSError, ValueError) as error:
                raise RemoteError(
                    f"{folder} is damaged ({error}); delete it, and the next run makes it again"
                ) from error
            if snapshot.writer == self._known.writer:  # not for a former address
                return Staged(folder=folder, snapshot=snapshot)
        return None

    def take(self) -> Staged | None:
        """Return what waits, and keep it until :meth:`give_back`, whatever is staged meanwhile."""
        with self._lock:
            staged = self.waiting()
            self._in_use = None if staged is None else staged.folder
            return staged

    def give_back(self, staged: Staged, *, is_sent: bool) -> None:
        """Let go of what was taken; it is removed if it was sent, or a newer one waits."""
        with self._lock:
            self._in_use = None
            if is_sent:
                self._known.sent = staged.snapshot.number
                self._write_known()
            if is_sent or self._staged_folders()[-1:] != [staged.folder]:
                shutil.rmtree(staged.folder, ignore_errors=True)

    def _note(self, snapshot: Snapshot) -> None:
        self._write_known()
        snapshot.write(self.folder / _LATEST)
        self.latest = snapshot

    def _write_known(self) -> None:
        write_sealed_json(self.folder / _KNOWN, asdict(self._known))

    def _staged_folders(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("[0-9]*") if path.is_dir())


def _results(files: Mapping[str, StoredFile]) -> dict[str, StoredFile]:
    return {path: file for path, file in files.items() if path != STATE}


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that gets its name when the block succeeds.

    Nothing is flushed but the list: the files were, when the run wrote them, and thousands of links
    would take their time. What a power cut takes away is missed when it is sent.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        (partial / "files").mkdir(parents=True)
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)
