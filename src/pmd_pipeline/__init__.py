"""Policy mirror descent for language models as a tracked, reproducible experiment pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pmd_pipeline.loaded_run import Run

__version__ = "0.1.0"


def load_run(path: str | Path = "data") -> Run:
    """Return the results of a run as frames and figures; see `pmd_pipeline.loaded_run.Run`.

    Args:
        path: A data folder, such as ``data`` or ``data/smoke``, or the project's folder.

    Raises:
        FileNotFoundError: If there is no run.
    """
    from pmd_pipeline.loaded_run import Run

    return Run(path)
