"""Runs the notebooks and saves them with what they show: `make notebooks`, after `kedro run`.

Pictures are saved small, so that a notebook stays far below the size at which reviews of its
changes stop being shown.
"""

import base64
import io
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

FOLDER = Path(__file__).parents[1] / "notebooks"
LARGEST_WIDTH = 1000  # pixels
NUM_COLOURS = 160  # fewer, and algorithms with few pixels turn grey


def main() -> None:
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = executed(path, FOLDER)
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                _make_small(output)
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size / 1000:,.0f} kB")


def executed(path: Path, folder: Path) -> NotebookNode:
    """Return a notebook with the outputs of a clean kernel.

    Args:
        path: Of the notebook.
        folder: The working directory of its kernel.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    settings = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", record_timing=False, resources=settings
    )
    client.execute()
    # Of the kernel's Python, which is another on every machine.
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def _make_small(output: NotebookNode) -> None:
    picture = output.get("data", {}).get("image/png")
    if picture is None:
        return
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    if image.width > LARGEST_WIDTH:
        size = (LARGEST_WIDTH, round(image.height * LARGEST_WIDTH / image.width))
        image = image.resize(size, Image.Resampling.LANCZOS)
    small = io.BytesIO()
    image.quantize(NUM_COLOURS, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    output["data"]["image/png"] = base64.b64encode(small.getvalue()).decode()


if __name__ == "__main__":
    sys.exit(main())
