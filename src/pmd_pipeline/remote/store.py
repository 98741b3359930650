"""Snapshots at an address: the newest one, one more, and what is no longer needed."""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pmd_pipeline.files import file_digest
from pmd_pipeline.policies.manifest import file_threads
from pmd_pipeline.remote.errors import RemoteError, RemoteOutageError
from pmd_pipeline.remote.folder import RemoteFolder
from pmd_pipeline.remote.snapshot import FILES, SNAPSHOTS, Snapshot

_KEPT = 2
"""Snapshots, so that a machine that is fetching one is not cut off by the next."""


def latest(folder: RemoteFolder) -> Snapshot | None:
    """Return the newest snapshot that is whole, None if there is none.

    Raises:
        RemoteError: If the address cannot be used, or holds what another version has written.
        RemoteOutageError: If it does not answer.
    """
    for name in sorted(folder.sizes(SNAPSHOTS), reverse=True):
        snapshot = _read(folder, name)
        if snapshot is not None:
            return snapshot
    return None


def send(
    folder: RemoteFolder,
    snapshot: Snapshot,
    local: Mapping[str, Path],
    progress: Callable[[], None],
) -> None:
    """Send a snapshot: the files that are missing there, then the list of all.

    Args:
        folder: Where to.
        snapshot: What is sent.
        local: Its files on this machine, by path.
        progress: Called whenever a part has arrived.

    Raises:
        RemoteError: If it is not taken, or a file here is not as the run has written it.
        RemoteOutageError: If the address does not answer.
    """
    names = snapshot.remote_names()
    wanted = {names[path]: path for path in snapshot.files}

    def missing() -> dict[str, str]:
        there = folder.sizes(FILES)
        return {
            name: path
            for name, path in wanted.items()
            if there.get(name) != snapshot.files[path].size
        }

    new = missing()
    _check(snapshot, local, new.values())
    folder.send({name: local[path] for name, path in new.items()}, progress)
    if cut := missing():
        raise RemoteOutageError(f"{folder.address}: {len(cut)} files have not arrived whole")
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "snapshot.json"
        snapshot.write(path)
        folder.send({snapshot.name: path}, progress)
    _remove_former(folder)


def _check(snapshot: Snapshot, local: Mapping[str, Path], paths: Iterable[str]) -> None:
    wanted = list(paths)

    def is_right(path: str) -> bool:
        file = local[path]
        return file.is_file() and file_digest(file) == snapshot.files[path].sha256

    with file_threads() as threads:
        for path, is_as_written in zip(wanted, threads.map(is_right, wanted), strict=True):
            if not is_as_written:
                raise RemoteError(
                    f"{path} is not as the run has written it, so it is not sent: it was damaged, "
                    "removed or changed by hand; put it back, or delete it and run again with "
                    "--only-missing-outputs"
                )


def _remove_former(folder: RemoteFolder) -> None:
    """Remove snapshots but the newest ones, and files that only those removed have named."""
    names = sorted(folder.sizes(SNAPSHOTS))
    removed, kept = names[:-_KEPT], names[-_KEPT:]
    if not removed:
        return
    needed = [_read(folder, name) for name in kept]
    if None in needed:  # cut off: what it names is not known, so nothing is removed
        return
    unneeded = _files_of(_read(folder, name) for name in removed) - _files_of(needed)
    # The lists first: cut off in between, only unused files are left over.
    folder.remove(removed)
    folder.remove(sorted(unneeded & folder.sizes(FILES).keys()))


def _files_of(snapshots: Iterable[Snapshot | None]) -> set[str]:
    return {
        name
        for snapshot in snapshots
        if snapshot is not None
        for name in snapshot.remote_names().values()
    }


def _read(folder: RemoteFolder, name: str) -> Snapshot | None:
    """Return a snapshot; None if its writing was cut off."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / Path(name).name
        folder.fetch({name: path}, lambda: None)
        try:
            return Snapshot.read(path)
        except RemoteError as error:
            raise RemoteError(
                f"{folder.address}: {error}; choose another storage.remote_root"
            ) from error
        except ValueError:
            return None
