"""Files and folders that are whole or absent: a killed run leaves the former one or the new one.

Each is written under a temporary name beside its own, flushed to the disk, and renamed. The
temporary name begins with a dot and keeps the suffix, by which some writers choose the format.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_SEAL: Final = "checksum"


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
            _sync(partial)
            partial.replace(path)
            _sync(path.parent)
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
                _sync(path)
            _sync(partial)
            if folder.exists():
                shutil.rmtree(folder)
            partial.rename(folder)
            _sync(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def is_partial(path: Path) -> bool:
    """Return True for a temporary name, such as that of a file that a killed run left behind."""
    return path.name.startswith(".") and ".partial" in path.suffixes


def write_json(path: Path, value: object, *, indent: int | None = 1) -> None:
    """Write a JSON document; see :func:`whole_file`."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(value, indent=indent), encoding="utf-8")


def write_sealed_json(path: Path, value: Mapping[str, object]) -> None:
    """Write a JSON object with a checksum of itself, its last key; see :func:`whole_file`."""
    with whole_file(path) as partial:
        partial.write_text(_sealed(value), encoding="utf-8")


def read_sealed_json(path: Path) -> dict[str, Any]:
    """Return what :func:`write_sealed_json` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a single byte of it is another one.
    """
    text = path.read_bytes().decode("utf-8")
    value = json.loads(text)
    if not isinstance(value, dict) or _SEAL not in value:
        raise ValueError("its checksum is missing")
    del value[_SEAL]
    if _sealed(value) != text:
        raise ValueError("it does not have its own checksum")
    return value


def _sealed(value: Mapping[str, object]) -> str:
    """Return a document with a line for each key, the last one for the others' checksum."""
    lines = [f"{json.dumps(key)}: {json.dumps(item)}" for key, item in value.items()]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return "{\n" + ",\n".join([*lines, f'"{_SEAL}": "{digest}"']) + "\n}\n"


@contextmanager
def _named_in_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        number, reason = error.errno or errno.EIO, error.strerror or str(error)
        raise OSError(number, f"cannot write: {reason}", str(path)) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot flush a folder: there the rename is as safe as they make it.
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)
