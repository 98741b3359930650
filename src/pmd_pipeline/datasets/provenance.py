"""Where results come from, as a catalog entry."""

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from pmd_pipeline.tracking.provenance import git_commit, package_versions


class ProvenanceDataset(AbstractDataset[NoReturn, dict[str, Any]]):
    """Loads the checkout's commit and the versions of the packages that affect results."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, Any]:
        return {
            "git commit": git_commit(self._filepath) or "not a git checkout",
            "versions": package_versions(),
        }

    def save(self, data: NoReturn) -> None:
        raise DatasetError("provenance is determined, not saved")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
