"""Every notebook runs from a clean kernel, and is stored without outputs."""

from pathlib import Path

import nbformat
import pytest
from helpers import PROJECT
from nbconvert.preprocessors import ExecutePreprocessor

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
FIGURES = {"01_theory.ipynb": 5}


def named(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=[path.name for path in paths])


def test_there_are_notebooks() -> None:
    assert FIGURES.keys() <= {path.name for path in NOTEBOOKS}


@named(NOTEBOOKS)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    """Diffs show what was written, never what a run gave."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.slow
@named(NOTEBOOKS)
def test_a_notebook_runs_and_shows_its_figures(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With this environment's kernel; nothing is written outside a temporary folder."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    notebook = nbformat.read(path, as_version=4)
    executor = ExecutePreprocessor(timeout=120, kernel_name="python3")
    executor.preprocess(notebook, {"metadata": {"path": str(tmp_path)}})
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    images = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(images) == FIGURES.get(path.name, len(images))
