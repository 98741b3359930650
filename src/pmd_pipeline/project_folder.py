"""The project's folder: relative paths in the configuration belong to it."""

from pathlib import Path


def project_folder() -> Path:
    """Return the nearest folder, from the working directory up, that is a Kedro project.

    Without any, as where the project's wheel is used, that is the working directory.
    """
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if _is_project(folder)), here)


def refuse_placeholders(folder: Path) -> None:
    """Raise ValueError if Kedro's catalog would read a part of the folder's name as its own."""
    if {"{", "}"} & set(str(folder)):
        raise ValueError(
            f"the folder {folder} has a brace in its name, which Kedro's catalog takes for a "
            "placeholder; rename it"
        )


def _is_project(folder: Path) -> bool:
    try:
        return "[tool.kedro]" in (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
