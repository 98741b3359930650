"""Files and folders that are whole or absent: a killed run leaves the former one or the new one.

Each is written under a temporary name beside its own, flushed to the disk, and renamed. The
temporary name begins with a dot and keeps the suffix, by which some writers choose the format.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_SEAL: Final = "checksum"
_MEMORY_FOLDER: Final = Path("/dev/shm")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the path of a temporary file that takes the place of ``path`` when the block succeeds.

    Args:
        path: The file; its folder is made where it is missing.

    Raises:
        OSError: If it cannot be written; the former file stays.
    """
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        with _named_in_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            sync(partial)
            partial.replace(path)
            sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the place of ``folder`` when the block succeeds.

    A kill in the moment between can leave neither; a reader never finds a part.

    Args:
        folder: The folder; its parent is made where it is missing.

    Raises:
        OSError: If it cannot be written; the former folder stays.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with _named_in_errors(folder):
            partial.mkdir(parents=True)
            yield partial
            for path in partial.rglob("*"):
                sync(path)
            sync(partial)
            if folder.exists():
                shutil.rmtree(folder)
            partial.rename(folder)
            sync(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def is_partial(path: Path) -> bool:
    """Return True for a temporary name, such as that of a file that a killed run left behind."""
    return path.name.startswith(".") and ".partial" in path.suffixes


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other process holds this lock, and hold it; the system frees it at death.

    Args:
        path: Of a file that is there for the lock alone; made, with its folder, where missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: object, *, indent: int | None = 1) -> None:
    """Write a JSON document; see :func:`whole_file`."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(value, indent=indent), encoding="utf-8")


def write_sealed_json(path: Path, value: Mapping[str, object]) -> str:
    """Write a JSON object with a checksum of itself, its last key, which is returned.

    See :func:`whole_file`.
    """
    text, seal = _sealed(value)
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return seal


def read_sealed_json(path: Path) -> dict[str, Any]:
    """Return what :func:`write_sealed_json` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a single byte of it is another one.
    """
    value, _ = read_sealed_json_and_seal(path)
    return value


def read_sealed_json_and_seal(path: Path) -> tuple[dict[str, Any], str]:
    """Return what :func:`write_sealed_json` wrote, and its checksum; raises the same."""
    text = path.read_bytes().decode("utf-8")
    value = json.loads(text)
    if not isinstance(value, dict) or _SEAL not in value:
        raise ValueError("its checksum is missing")
    seal = value.pop(_SEAL)
    if _sealed(value)[0] != text:
        raise ValueError("it does not have its own checksum")
    return value, seal


def append_sealed_line(path: Path, value: object, *, former_seal: str) -> str:
    """Add a line of JSON to a file, on disk when this returns; make the file where it is missing.

    Args:
        path: The file.
        value: JSON.
        former_seal: That of the line before, or whatever the first line is to belong to.

    Returns:
        The line's checksum, which is of all lines so far.

    Raises:
        OSError: If it cannot be written; the file stays as it was.
    """
    text = json.dumps(value)
    seal = _chained(former_seal, text)
    with _named_in_errors(path):
        is_new = not path.exists()
        with path.open("ab", buffering=0) as file:
            size = file.tell()
            try:
                line = f"{seal} {text}\n".encode()
                if file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise
        if is_new:
            sync(path.parent)
    return seal


def read_sealed_lines(path: Path, *, first_seal: str) -> list[Any]:
    """Return what :func:`append_sealed_line` wrote, none where there is no file.

    A last line without an end is that of a killed process, and left out.

    Raises:
        ValueError: If a single byte of another line is another one.
    """
    try:
        *lines, _ = path.read_bytes().decode("utf-8").split("\n")
    except FileNotFoundError:
        return []
    values: list[Any] = []
    seal = first_seal
    for line in lines:
        former, (seal, _, text) = seal, line.partition(" ")
        if seal != _chained(former, text):
            raise ValueError(f"{path.name}, line {len(values) + 1}, has not its own checksum")
        values.append(json.loads(text))
    return values


def memory_folder(num_bytes: int) -> Path | None:
    """Return where to put this many bytes; None for the system's folder for temporary files."""
    if _MEMORY_FOLDER.is_dir() and shutil.disk_usage(_MEMORY_FOLDER).free > 2 * num_bytes:
        return _MEMORY_FOLDER
    return None


def _chained(former_seal: str, text: str) -> str:
    return hashlib.sha256(f"{former_seal} {text}".encode()).hexdigest()


def _sealed(value: Mapping[str, object]) -> tuple[str, str]:
    """Return a document with a line for each key, the last one for the others' checksum, and it."""
    lines = [f"{json.dumps(key)}: {json.dumps(item)}" for key, item in value.items()]
    seal = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return "{\n" + ",\n".join([*lines, f'"{_SEAL}": "{seal}"']) + "\n}\n", seal


def sync(path: Path) -> None:
    """Return when a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot flush a folder: there the rename is as safe as they make it.
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _named_in_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        number, reason = error.errno or errno.EIO, error.strerror or str(error)
        raise OSError(number, f"cannot write: {reason}", str(path)) from error
