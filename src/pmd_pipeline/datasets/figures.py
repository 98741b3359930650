"""Matplotlib figures by name, each as PNG and SVG, in one folder."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from matplotlib import rc_context
from matplotlib.figure import Figure

from pmd_pipeline.files import whole_folder

_FORMATS = ("png", "svg")


class FiguresDataset(AbstractDataset[Mapping[str, Figure], dict[str, Path]]):
    """Saves figures; loads the paths of their PNG files by name."""

    def __init__(
        self, *, path: str, dpi: int = 150, metadata: dict[str, Any] | None = None
    ) -> None:
        self._path = Path(path)
        self._dpi = dpi
        self.metadata = metadata

    def load(self) -> dict[str, Path]:
        return {path.stem: path for path in sorted(self._path.glob("*.png"))}

    def save(self, data: Mapping[str, Figure]) -> None:
        with whole_folder(self._path) as folder:
            for name, figure in data.items():
                for suffix in _FORMATS:
                    # No date and no random ids: the same figure gives the same bytes.
                    metadata = {"Date": None} if suffix == "svg" else {}
                    with rc_context({"svg.hashsalt": name}):
                        figure.savefig(
                            folder / f"{name}.{suffix}", dpi=self._dpi, metadata=metadata
                        )

    def clear(self) -> None:
        """Remove the figures of an earlier run."""
        shutil.rmtree(self._path, ignore_errors=True)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}
