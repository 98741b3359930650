"""One table per round, in a folder."""

import shutil
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
        partitions = super().load()
        return pd.concat([partitions[name]() for name in sorted(partitions)], ignore_index=True)

    def clear(self) -> None:
        """Remove the rounds of an earlier run."""
        shutil.rmtree(Path(self._path), ignore_errors=True)
        self._invalidate_caches()

    def preview(self, nrows: int = 5) -> "pd.DataFrame":
        return self.load().head(nrows)
