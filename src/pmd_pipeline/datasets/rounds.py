"""One table per round, in a folder."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from kedro_datasets.partitions import PartitionedDataset


class RoundTablesDataset(PartitionedDataset):
    """A PartitionedDataset of parquet tables: one partition per round.

    Saving ``{"round_0001": table}`` adds a partition; loading gives one table of all rounds, in
    order.
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(
            path=path,
            dataset={"type": "pmd_pipeline.datasets.atomic.AtomicParquetDataset"},
            filename_suffix=".parquet",
            metadata=metadata,
        )

    def load(self) -> pd.DataFrame:
        partitions: dict[str, Callable[[], pd.DataFrame]] = super().load()
        return pd.concat([partitions[name]() for name in sorted(partitions)], ignore_index=True)

    def clear(self) -> None:
        """Remove the rounds of an earlier run."""
        shutil.rmtree(Path(self._path), ignore_errors=True)
        self._invalidate_caches()


class RoundPartitionsDataset(RoundTablesDataset):
    """The same, loaded round by round: the rollouts of a long training do not fit in memory.

    Loading gives a loader per round, in order: ``tables["round_0001"]()``.
    """

    def load(self) -> dict[str, Callable[[], pd.DataFrame]]:  # type: ignore[override]
        partitions = PartitionedDataset.load(self)
        return {name: partitions[name] for name in sorted(partitions)}
