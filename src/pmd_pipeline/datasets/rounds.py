"""One table per round, in a folder."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from kedro_datasets.partitions import PartitionedDataset

from pmd_pipeline.datasets.results import ResultDataset, table_digest
from pmd_pipeline.files import is_partial

_SUFFIX = ".parquet"


class RoundTablesDataset(ResultDataset, PartitionedDataset):
    """A PartitionedDataset of parquet tables: one partition per round.

    Saving ``{"round_0001": table}`` adds a partition; loading gives one table of all rounds, in
    order.
    """

    grows = True

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(
            path=path,
            dataset={"type": "pmd_pipeline.datasets.atomic.AtomicParquetDataset"},
            filename_suffix=_SUFFIX,
            metadata=metadata,
        )

    def load(self) -> pd.DataFrame:
        partitions: dict[str, Callable[[], pd.DataFrame]] = PartitionedDataset.load(self)
        return pd.concat([partitions[name]() for name in sorted(partitions)], ignore_index=True)

    def files(self) -> list[Path]:
        paths = Path(self._path).glob(f"*{_SUFFIX}")
        return sorted(path for path in paths if not is_partial(path))

    def files_of(self, data: Mapping[str, Any]) -> list[Path]:
        return [Path(self._path) / f"{name}{_SUFFIX}" for name in data]

    def content(self, path: Path) -> str:
        return table_digest(path)

    def _exists(self) -> bool:
        # Asked after each round of a run that goes on: the first file is answer enough.
        try:
            with os.scandir(self._path) as entries:
                paths = (Path(entry.name) for entry in entries)
                return any(path.suffix == _SUFFIX and not is_partial(path) for path in paths)
        except FileNotFoundError:
            return False

    def _list_partitions(self) -> list[str]:
        paths: list[str] = super()._list_partitions()
        return [path for path in paths if not is_partial(Path(path))]

    def _remove(self) -> None:
        shutil.rmtree(Path(self._path), ignore_errors=True)
        self._invalidate_caches()


class RoundPartitionsDataset(RoundTablesDataset):
    """The same, loaded round by round: the rollouts of a long training do not fit in memory.

    Loading gives a loader per round, in order: ``tables["round_0001"]()``.
    """

    def load(self) -> dict[str, Callable[[], pd.DataFrame]]:  # type: ignore[override]
        partitions = PartitionedDataset.load(self)
        return {name: partitions[name] for name in sorted(partitions)}
