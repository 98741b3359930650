"""Where a run's results come from: code, packages, platform."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("pmd_pipeline", "kedro", "mlflow", "numpy", "torch", "transformers")


def git_commit(project_path: Path) -> str | None:
    """Return the commit of the project's checkout, with ``-dirty`` if files differ from it.

    None if the project is not a git checkout or git is not installed.
    """
    commit = _git(project_path, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(project_path, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect results."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def _git(project_path: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", "-C", str(project_path), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
