"""A folder at an address: files are listed, sent, fetched and removed, each as a whole."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fsspec.callbacks import Callback

from pmd_pipeline.remote.errors import RemoteError
from pmd_pipeline.remote.filesystem import open_filesystem, translated

WHOSE = "storage.remote_root and storage.credentials"

_BATCH = 32  # files that are under way at once, where the file system can


class RemoteFolder:
    """A folder at an address.

    Args:
        address: Of the folder.
        credentials: As Kedro's datasets take them; None: what the machine has.

    Raises:
        RemoteError: If there can be no such file system.
    """

    def __init__(self, address: str, credentials: Mapping[str, Any] | None = None) -> None:
        self.address = address
        self._filesystem, self._root = open_filesystem(address, credentials, whose=WHOSE)

    def sizes(self, below: str = "") -> dict[str, int]:
        """Return the bytes of each file, by its path in the folder.

        Args:
            below: Only those in this folder.

        Raises:
            RemoteError: If there is no such bucket, or it may not be read.
            RemoteOutageError: If it does not answer.
        """
        with translated(self.address, whose=WHOSE):
            self._filesystem.invalidate_cache()
            found = self._filesystem.find(self._path(below), detail=True)
        start = len(self._root) + 1
        return {name[start:]: int(about["size"]) for name, about in found.items()}

    def send(self, files: Mapping[str, Path], progress: Callable[[], None]) -> None:
        """Send files; one that is there already is replaced.

        Args:
            files: Local ones, by their paths in the folder.
            progress: Called whenever a part has arrived.
        """
        self._in_batches(self._filesystem.put, files, progress, local_first=True)

    def fetch(self, files: Mapping[str, Path], progress: Callable[[], None]) -> None:
        """Fetch files to local paths, whose folders exist, by their paths in the folder.

        Raises:
            RemoteError: Also if one is not there.
        """
        self._in_batches(self._filesystem.get, files, progress, local_first=False)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files that are there."""
        paths = [self._path(name) for name in names]
        if paths:
            with translated(self.address, whose=WHOSE):
                self._filesystem.rm(paths)

    def _in_batches(
        self,
        transfer: Callable[..., object],
        files: Mapping[str, Path],
        progress: Callable[[], None],
        *,
        local_first: bool,
    ) -> None:
        names = list(files)
        for start in range(0, len(names), _BATCH):
            batch = names[start : start + _BATCH]
            remote, local = [self._path(n) for n in batch], [str(files[n]) for n in batch]
            with translated(self.address, whose=WHOSE):
                transfer(
                    *((local, remote) if local_first else (remote, local)),
                    callback=_Progress(progress),
                )
            progress()

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root


def existing_folder(address: str, credentials: Mapping[str, Any] | None) -> RemoteFolder:
    """Return the folder at an address; a mount that is missing is no folder to be made.

    Raises:
        RemoteError: See `RemoteFolder`; also if a local folder's parent is missing.
    """
    scheme, _, path = address.partition("://")
    if scheme in ("file", "local") and not Path(path).parent.is_dir():
        raise RemoteError(
            f"{address}: there is no folder {Path(path).parent}; mount or make it, or correct "
            "storage.remote_root"
        )
    return RemoteFolder(address, credentials)


class _Progress(Callback):  # type: ignore[misc]
    """Tells of every part of every file."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell = tell

    def branched(self, *_: Any, **__: Any) -> "_Progress":
        return _Progress(self._tell)

    def call(self, *_: Any, **__: Any) -> None:
        self._tell()
