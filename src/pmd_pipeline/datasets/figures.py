"""Figures in files: interactive ones, and those for paper."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset
from kedro_datasets._typing import PlotlyPreview

from pmd_pipeline.datasets.results import ResultDataset
from pmd_pipeline.files import whole_file, whole_folder
from pmd_pipeline.reporting.drawing.interactive import InteractiveFigure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PNG_LEVEL = 3  # of zlib; its usual 6 takes half as long again for a tenth of the bytes


class InteractiveFigureDataset(
    ResultDataset, AbstractDataset[InteractiveFigure, InteractiveFigure]
):
    """A figure for plotly.js in a JSON file; kedro-viz shows it."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> InteractiveFigure:
        return InteractiveFigure.from_json(self._filepath.read_text(encoding="utf-8"))

    def save(self, data: InteractiveFigure) -> None:
        with whole_file(self._filepath) as partial:
            partial.write_text(data.to_json(), encoding="utf-8")

    def preview(self) -> PlotlyPreview:
        """Return what kedro-viz draws."""
        return PlotlyPreview(json.loads(self._filepath.read_text(encoding="utf-8")))

    def files(self) -> list[Path]:
        return [self._filepath] if self._filepath.is_file() else []

    def _remove(self) -> None:
        self._filepath.unlink(missing_ok=True)

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class FiguresDataset(ResultDataset, AbstractDataset[Mapping[str, "Figure"], dict[str, Path]]):
    """Saves matplotlib figures by name, each as PNG and SVG, in one folder.

    Loads the paths of their PNG files by name.
    """

    def __init__(
        self, *, path: str, dpi: int = 150, metadata: dict[str, Any] | None = None
    ) -> None:
        self._path = Path(path)
        self._dpi = dpi
        self.metadata = metadata

    def load(self) -> dict[str, Path]:
        return {path.stem: path for path in sorted(self._path.glob("*.png"))}

    def save(self, data: Mapping[str, "Figure"]) -> None:
        with whole_folder(self._path) as folder:
            for name, figure in data.items():
                _write(figure, folder / name, dpi=self._dpi)

    def files(self) -> list[Path]:
        return sorted(self._path.glob("*.*"))

    def _remove(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}


def _write(figure: "Figure", path: Path, *, dpi: int) -> None:
    """Write a figure as PNG and SVG beside each other; it is laid out once for both."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    layout = figure.get_layout_engine()
    figure.set_dpi(dpi)
    png, svg = (path.with_name(f"{path.name}.{suffix}") for suffix in ("png", "svg"))
    packing = {"compress_level": _PNG_LEVEL}
    FigureCanvasAgg(figure).print_png(png, pil_kwargs=packing)  # type: ignore[no-untyped-call]
    try:
        # Layout takes as long as drawing, and has put everything in its place by now.
        figure.set_layout_engine("none")
        # No date and no random ids: the same figure gives the same bytes.
        with rc_context({"svg.hashsalt": path.name}):
            canvas = FigureCanvasSVG(figure)
            canvas.print_svg(svg, metadata={"Date": None})  # type: ignore[no-untyped-call]
    finally:
        figure.set_layout_engine(layout)
