"""Files and folders that are whole or absent: a killed run leaves the former one or the new one.

Each is written under a temporary name beside its own, flushed to the disk, and renamed. The
temporary name begins with a dot and keeps the suffix, by which some writers choose the format.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


def write_json(path: Path, value: object, *, indent: int | None = 1) -> None:
    """Write a JSON document; see :func:`whole_file`."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(value, indent=indent), encoding="utf-8")


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
