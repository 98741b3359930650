"""The project's folder: relative paths in the configuration belong to it."""

import tomllib
from pathlib import Path

from pmd_pipeline.addresses import is_address


def project_folder() -> Path:
    """Return the nearest folder, from the working directory up, that is a Kedro project.

    Without any, as where the project's wheel is used, that is the working directory.
    """
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if _is_project(folder)), here)


def is_own_project() -> bool:
    """Return whether the project that Kedro finds here is this package's, and not another."""
    try:
        text = (project_folder() / "pyproject.toml").read_text(encoding="utf-8")
        return bool(tomllib.loads(text)["tool"]["kedro"]["package_name"] == "pmd_pipeline")
    except (OSError, ValueError, KeyError):
        return False


def refuse_placeholders(folder: Path) -> None:
    """Raise ValueError if Kedro's catalog would read a part of the folder's name as its own."""
    if {"{", "}"} & set(str(folder)):
        raise ValueError(
            f"the folder {folder} has a brace in its name, which Kedro's catalog takes for a "
            "placeholder; rename it"
        )


def data_folder(project: Path, data_root: str) -> Path:
    """Return the folder of an environment's data.

    Args:
        project: The project's folder.
        data_root: As ``globals.yml`` has it.

    Raises:
        ValueError: If it is an address, or Kedro's catalog cannot take its name.
    """
    if is_address(data_root):
        raise ValueError(
            f"data_root in globals.yml is {data_root}, but a run works in a local folder; to keep "
            "its results at an address too, set storage.remote_root in the parameters"
        )
    folder = project / data_root
    refuse_placeholders(folder)
    return folder


def _is_project(folder: Path) -> bool:
    try:
        return "[tool.kedro]" in (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
