"""Notebooks run by a kernel of this environment."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from helpers import PROJECT

_SAVE = runpy.run_path(str(PROJECT / "docs_site" / "notebooks.py"))


def executed(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a notebook with the outputs of a clean kernel, as `make notebooks` makes them.

    Args:
        path: Of the notebook.
        folder: The working directory of its kernel; Jupyter's own files are below it.
        monkeypatch: Of the test.
    """
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    return _SAVE["executed"](path, folder)


def pictures(notebook: Any) -> list[str]:
    """Return the pictures in a notebook's outputs, PNG in base64."""
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [o["data"]["image/png"] for o in shown if "image/png" in o.get("data", {})]
