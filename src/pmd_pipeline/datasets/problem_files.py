"""Problem files at addresses, brought here with the credentials of a catalog entry."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from pmd_pipeline.files import whole_file

_WHOSE = "path in data_preparation, or the credentials of the catalog's entry problem_files"


class ProblemFilesDataset(AbstractDataset[NoReturn, Callable[[str], Path]]):
    """Loads what brings a file from its address, such as ``s3://bucket/problems.jsonl``, here.

    Args:
        path: The folder in which files are kept.
        credentials: As Kedro's datasets take them; None: what the machine has.
    """

    def __init__(
        self,
        *,
        path: str,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._path = Path(path)
        self._credentials = credentials
        self.metadata = metadata

    def load(self) -> Callable[[str], Path]:
        return self._fetch

    def save(self, data: NoReturn) -> None:
        raise DatasetError("problem files at addresses are read, not written")

    def _fetch(self, address: str) -> Path:
        """Return the path of a copy.

        Raises:
            RemoteError: If it cannot be had as it is asked for.
            RemoteOutageError: If the address does not answer.
        """
        from pmd_pipeline.remote.filesystem import open_filesystem, translated

        filesystem, there = open_filesystem(address, self._credentials, whose=_WHOSE)
        # Files of one name at two addresses are two files.
        mark = hashlib.sha256(address.encode()).hexdigest()[:8]
        copy = self._path / f"{mark}-{PurePosixPath(there).name}"
        with tempfile.TemporaryDirectory() as temporary:
            arrived = Path(temporary) / copy.name
            with translated(address, whose=_WHOSE):
                filesystem.get_file(there, str(arrived))
            with whole_file(copy) as partial:
                shutil.copyfile(arrived, partial)
        return copy

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
