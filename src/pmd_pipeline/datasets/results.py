"""What a run writes: files with checksums, and digests of what they hold."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kedro.io import AbstractDataset

from pmd_pipeline.files import file_digest

if TYPE_CHECKING:
    _Base = AbstractDataset[Any, Any]
else:
    _Base = object

# Columns of wall times, which no later stage computes with.
_TIMING_SUFFIXES = ("_seconds", "_per_second")


class ResultDataset(_Base):
    """Mixin for the datasets that a run writes and a resumed run may find."""

    grows: ClassVar[bool] = False
    """True where each save adds files; otherwise a save replaces the former ones."""

    _is_outdated = False

    def outdate(self) -> None:
        """Count as missing from now on; the files stay until :meth:`clear`."""
        self._is_outdated = True

    def clear(self) -> None:
        """Remove what an earlier run has left."""
        self._is_outdated = False
        self._remove()

    def exists(self) -> bool:
        return not self._is_outdated and super().exists()

    def files(self) -> list[Path]:
        """Return the files that it consists of now."""
        raise NotImplementedError

    def files_of(self, data: Any) -> list[Path]:
        """Return the files that saving ``data`` has written, where the dataset grows."""
        return self.files()

    def checksum(self, path: Path) -> str:
        """Return a digest of one of its files: another one means that it is damaged or was edited.

        Raises:
            OSError: If the file cannot be read.
            ValueError: If it is damaged and says so itself.
        """
        return file_digest(path)

    def verify(self, path: Path) -> None:
        """Check what else belongs to one of its files, such as the weights of a manifest.

        Raises:
            OSError: If a file cannot be read.
            ValueError: If a file is missing or damaged.
        """

    def content(self, path: Path) -> str:
        """Return a digest of what later stages take from one of its files.

        It is the same for equal tables, whatever their wall times and their format's details.
        """
        return self.checksum(path)

    def _remove(self) -> None:
        raise NotImplementedError


def table_digest(path: Path) -> str:
    """Return the SHA-256 of the table in a parquet file, without its wall times."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read()
    kept = [name for name in table.column_names if not name.endswith(_TIMING_SUFFIXES)]
    content = table.select(kept).replace_schema_metadata(None).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, content.schema) as stream:
        stream.write_table(content)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def joint_digest(contents: Mapping[str, str]) -> str:
    """Return one digest of the contents of several files, by their names."""
    lines = [f"{name} {digest}\n" for name, digest in sorted(contents.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
