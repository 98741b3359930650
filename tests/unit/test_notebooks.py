"""Notebooks are stored with what they show, and run from a clean kernel.

The one that shows a run does so in tests/integration/test_smoke_run.py.
"""

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from helpers import PROJECT

from notebooks import executed, pictures

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
PICTURES = {"01_theory.ipynb": 5, "02_my_run.ipynb": 3}
# A folder of the machine on which a notebook was run.
ABSOLUTE = re.compile(
    r"/(home|root|tmp|Users|usr|opt|work|mnt|var|private)/|[A-Z]:\\\\|site-packages"
)


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_every_notebook_is_known_here() -> None:
    assert [path.name for path in NOTEBOOKS] == list(PICTURES)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.name for path in NOTEBOOKS])
def test_a_notebook_is_stored_with_its_pictures_and_without_a_warning(path: Path) -> None:
    """After `make notebooks`: from the first cell to the last, and small."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    shown = outputs(notebook)
    assert not [output for output in shown if output.output_type == "error"]
    assert not [output for output in shown if output.get("name") == "stderr"]
    assert len(pictures(notebook)) == PICTURES[path.name]
    assert path.stat().st_size < 450_000
    texts = [{**output.get("data", {}), "image/png": ""} for output in shown]
    assert not ABSOLUTE.search(json.dumps([texts, [output.get("text") for output in shown]]))


@pytest.mark.slow
def test_the_theory_notebook_runs_and_shows_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written outside a temporary folder."""
    path = PROJECT / "notebooks" / "01_theory.ipynb"
    notebook = executed(path, tmp_path, monkeypatch)
    assert not [output for output in outputs(notebook) if output.get("name") == "stderr"]
    assert len(pictures(notebook)) == PICTURES[path.name]
