"""Several tables in one folder, as one catalog entry."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from pmd_pipeline.datasets.results import ResultDataset, table_digest
from pmd_pipeline.files import whole_folder


class TablesDataset(
    ResultDataset,
    AbstractDataset[Mapping[str, pd.DataFrame], dict[str, Callable[[], pd.DataFrame]]],
):
    """Saves tables by name; loads what reads each, ``tables["comparison"]()``.

    Args:
        path: The folder; a parquet file per table.
        tables: Their names. It exists when all are there.
    """

    def __init__(
        self, *, path: str, tables: Sequence[str], metadata: dict[str, Any] | None = None
    ) -> None:
        self._path = Path(path)
        self._files = {name: self._path / f"{name}.parquet" for name in tables}
        self.metadata = metadata

    def load(self) -> dict[str, Callable[[], pd.DataFrame]]:
        return {name: partial(pd.read_parquet, file) for name, file in self._files.items()}

    def save(self, data: Mapping[str, pd.DataFrame]) -> None:
        if data.keys() != self._files.keys():
            raise DatasetError(f"{self._path} takes the tables {[*self._files]}, not {[*data]}")
        with whole_folder(self._path) as folder:
            for name, table in data.items():
                table.to_parquet(folder / self._files[name].name)

    def files(self) -> list[Path]:
        return [file for file in self._files.values() if file.is_file()]

    def content(self, path: Path) -> str:
        return table_digest(path)

    def _remove(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)

    def _exists(self) -> bool:
        return len(self.files()) == len(self._files)

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
