"""Files sent to other nodes: once to each, however many processes there read them."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray

from pmd_pipeline.cluster.errors import ShipmentError
from pmd_pipeline.files import memory_folder

# Ray moves and spills whole objects; under 1 GiB.
CHUNK_BYTES = 512 * 1024**2

_PREFIX = f"pmd_pipeline_{os.getuid()}_"
_SUFFIX = ".where"
# All samplers of a node have read their weights by then, or never will.
_SECONDS_TO_READ = 6 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A part of a file in Ray's object store.

    Attributes:
        file: The file's path in its folder.
        content: Ray's reference to the bytes.
        sha256: Checksum of the bytes.
    """

    file: str
    content: Any
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """A folder's files as they were when it was made; they stay while this object is held.

    Attributes:
        name: No other has it.
        num_bytes: Of all files.
        chunks: Those of a file are in order.
    """

    name: str
    num_bytes: int
    chunks: Sequence[Chunk]


def ship(folder: Path) -> Shipment:
    """Put the files of a folder into the object store, to be unpacked on other nodes.

    Raises:
        ShipmentError: If the object store has no room.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    sizes = [path.stat().st_size for path in paths]
    try:
        chunks = [
            _chunk(path, str(path.relative_to(folder)), start)
            for path, size in zip(paths, sizes, strict=True)
            for start in range(0, max(size, 1), CHUNK_BYTES)
        ]
    except (ray.exceptions.ObjectStoreFullError, ray.exceptions.OutOfDiskError) as error:
        raise ShipmentError(
            f"Ray's object store on this node has no room for {sum(sizes) / 2**30:.3g} GiB of "
            "weights, nor has the disk to which it spills; give it more: `ray start "
            "--object-store-memory BYTES`, or cluster.object_store_gib with address: local"
        ) from error
    return Shipment(name=uuid.uuid4().hex, num_bytes=sum(sizes), chunks=chunks)


def unpack(shipment: Shipment) -> Path:
    """Return this node's folder with the files; whichever process comes first writes them.

    Raises:
        ShipmentError: If a checksum is not that of the bytes sent, or there is no room.
    """
    _remove_what_was_left()
    with _note(shipment).open("a+") as note:
        fcntl.flock(note, fcntl.LOCK_EX)  # freed with this process, however it ends
        note.seek(0)
        if written := note.read():
            return Path(written)
        parent = memory_folder(shipment.num_bytes)
        folder = Path(tempfile.mkdtemp(prefix=_prefix(shipment), dir=parent))
        try:
            for chunk in shipment.chunks:
                _write(chunk, ray.get(chunk.content), folder)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            _note(shipment).unlink(missing_ok=True)
            if isinstance(error, OSError):
                text = f"weights could not be written to {folder}: {error}"
                raise ShipmentError(text) from error
            raise
        note.write(str(folder))
    return folder


def discard(shipment: Shipment) -> None:
    """Remove this node's folder of a shipment; a no-op where there is none."""
    note = _note(shipment)
    if not note.exists():
        return
    with note.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if written := file.read():
            shutil.rmtree(written, ignore_errors=True)
        note.unlink(missing_ok=True)


def _remove_what_was_left() -> None:
    """Remove folders whose samplers were killed before they could."""
    for note in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*{_SUFFIX}"):
        try:
            is_ours = note.stat().st_uid == os.getuid()  # anybody can write here
            if is_ours and time.time() - note.stat().st_mtime > _SECONDS_TO_READ:
                if written := note.read_text():
                    shutil.rmtree(written, ignore_errors=True)
                note.unlink()
        except FileNotFoundError:
            pass  # another process was faster


def _chunk(path: Path, name: str, start: int) -> Chunk:
    content = np.fromfile(path, dtype=np.uint8, count=CHUNK_BYTES, offset=start)
    return Chunk(file=name, content=ray.put(content), sha256=_checksum(content))


def _write(chunk: Chunk, content: np.ndarray, folder: Path) -> None:
    if _checksum(content) != chunk.sha256:
        raise ShipmentError(
            f"{chunk.file} did not reach this node as it was sent: its checksum is another"
        )
    path = folder / chunk.file
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        content.tofile(file)


def _checksum(content: np.ndarray) -> str:
    return hashlib.sha256(content.data).hexdigest()


def _note(shipment: Shipment) -> Path:
    return Path(tempfile.gettempdir()) / f"{_prefix(shipment)}{_SUFFIX}"


def _prefix(shipment: Shipment) -> str:
    return f"{_PREFIX}{shipment.name}"
