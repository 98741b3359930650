"""File datasets that are either complete or absent, and that a fresh run can clear.

``kedro run --only-missing-outputs`` takes any existing file for a finished output, so a file that
a killed run left half-written must never have the final name.
"""

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractVersionedDataset, DatasetError
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset, ParquetDataset
from kedro_datasets.text import TextDataset

from pmd_pipeline.addresses import is_address
from pmd_pipeline.datasets.results import ResultDataset, table_digest
from pmd_pipeline.files import whole_file

if TYPE_CHECKING:

    class _Base(ResultDataset, AbstractVersionedDataset[Any, Any]):
        pass

else:
    _Base = ResultDataset


class _AtomicSave(_Base):
    """Mixin for a file dataset: save under a temporary name, flush, rename."""

    _redirected_to: PurePosixPath | None = None

    def __init__(self, **options: Any) -> None:
        if is_address(str(options.get("filepath", ""))):
            raise DatasetError(
                f"{options['filepath']}: results are written to local folders; use one of Kedro's "
                "own datasets there, or storage.remote_root, which keeps a copy of all results"
            )
        super().__init__(**options)
        self._glob_function = self._find_versions

    def _get_save_path(self) -> PurePosixPath:
        return self._redirected_to or super()._get_save_path()

    def save(self, data: Any) -> None:
        with whole_file(self._final_path()) as partial:
            self._redirected_to = PurePosixPath(partial)
            try:
                # Past Kedro's wrapper, which would look for the version before it has its name.
                super().save.__wrapped__(self, data)  # type: ignore[attr-defined, safe-super]
            finally:
                self._redirected_to = None

    def files(self) -> list[Path]:
        try:
            path = Path(self._get_load_path())
        except DatasetError:  # no version has been saved
            return []
        return [path] if path.is_file() else []

    def _final_path(self) -> Path:
        version = self.resolve_save_version()
        if version is None:
            return Path(self._filepath)
        # Kedro refuses a version that is there already; a node that a resumed run repeats makes
        # the very same one.
        return Path(self._get_versioned_path(version))

    def _remove(self) -> None:
        # Versions are history and stay.
        if self._version is None:
            Path(self._filepath).unlink(missing_ok=True)

    def _find_versions(self, _: str) -> list[str]:
        """Return the file of each version; Kedro would take all of its path for a pattern."""
        versions = Path(self._filepath)
        return [str(path / versions.name) for path in versions.glob("*")]


class AtomicParquetDataset(_AtomicSave, ParquetDataset):
    """A pandas table in a parquet file."""

    def content(self, path: Path) -> str:
        return table_digest(path)


class AtomicCSVDataset(_AtomicSave, CSVDataset):
    """A pandas table in a CSV file."""


class AtomicJSONDataset(_AtomicSave, JSONDataset):
    """A JSON document."""


class AtomicTextDataset(_AtomicSave, TextDataset):
    """A text file."""
