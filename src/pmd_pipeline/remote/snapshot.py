"""The results of a data folder at one moment: which files, and their checksums.

At the address::

    files/06_models/pmd_mean/seed_0/phase_1/round_00002/manifest-3fa9c1d2e4b5a697.json
    snapshots/00000003-9c1d2e4b.json

A file's name bears its checksum, so nothing is ever replaced, and a snapshot is written after all
of its files: what one names is there, whatever was cut off.
"""

import socket
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Self

from pmd_pipeline.files import read_sealed_json, write_sealed_json
from pmd_pipeline.remote.errors import RemoteError

SNAPSHOTS = "snapshots"
FILES = "files"

_LAYOUT = 1
_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a snapshot.

    Attributes:
        sha256: Of its bytes.
        size: Bytes.
    """

    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The results of a data folder at one moment.

    Attributes:
        number: Counts from 1, from machine to machine.
        writer: The data folder that has written it: a random name.
        files: By path below the data folder.
        parent: The name of the snapshot that this folder's results began from, "" for none.
        host: The machine's name, for messages.
        stored_at: When, for messages.
    """

    number: int
    writer: str
    files: dict[str, StoredFile]
    parent: str = ""
    host: str = field(default_factory=socket.gethostname)
    stored_at: str = field(
        default_factory=lambda: datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    )

    @property
    def name(self) -> str:
        """Its name at the address."""
        return f"{SNAPSHOTS}/{self.number:08d}-{self.writer}.json"

    @property
    def num_bytes(self) -> int:
        """Of all its files."""
        return sum(file.size for file in self.files.values())

    def remote_names(self) -> dict[str, str]:
        """Return the name at the address of each file, by path."""
        return {path: _remote_name(path, file) for path, file in self.files.items()}

    def write(self, path: Path) -> None:
        """Write it to a local file."""
        write_sealed_json(path, {"layout": _LAYOUT, **asdict(self)})

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what a local file holds.

        Raises:
            FileNotFoundError: If there is no such file.
            RemoteError: If another version has written it, or it names files elsewhere.
            ValueError: If it is damaged.
        """
        values = read_sealed_json(path)
        layout = values.pop("layout")
        if layout != _LAYOUT:
            raise RemoteError(
                f"{path.name} was written by another version of pmd_pipeline (layout {layout})"
            )
        files = {name: StoredFile(**about) for name, about in values.pop("files").items()}
        for name in files:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise RemoteError(f"{path.name} names a file outside the data folder: {name}")
        return cls(**values, files=files)

    def __str__(self) -> str:
        return f"{self.name}, stored by {self.host} at {self.stored_at}"


def _remote_name(path: str, file: StoredFile) -> str:
    place = PurePosixPath(path)
    name = f"{place.stem}-{file.sha256[:_DIGITS]}{place.suffix}"
    return f"{FILES}/{place.with_name(name)}"
