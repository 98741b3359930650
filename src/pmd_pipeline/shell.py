"""The user's shell: which commands it finds, and what to type there."""

import os
import shlex
import shutil
import sys
from pathlib import Path

_folder = os.getcwd()
_search_path = os.environ.get("PATH", "")


def put_commands_on_path() -> None:
    """Let this process find the commands of its environment, and remember what the shell finds.

    ``kedro mlflow ui`` starts ``mlflow`` by name, which is not on the path of a user who calls
    ``.venv/bin/kedro`` without activating the environment.
    """
    global _folder, _search_path
    _folder, _search_path = os.getcwd(), os.environ.get("PATH", "")
    commands = str(Path(sys.executable).parent)
    if commands not in _search_path.split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([commands, _search_path])


def kedro(arguments: str, env: str | None = None) -> str:
    """Return what to type for a command of kedro, such as ``.venv/bin/kedro run``.

    Where the package runs without a project, kedro itself has none of its commands.

    Args:
        arguments: The command's name and what follows it.
        env: Kedro's environment, named where it is not the one that the command takes anyway.
    """
    option = f" --env {env}" if env not in (None, "local", "base") else ""
    if not is_project():
        return f"{command(Path(sys.executable).name)} -m pmd_pipeline {arguments}{option}"
    return f"{command('kedro')} {arguments}{option}"


def is_project() -> bool:
    """Return whether this is a project, in which kedro and its plugins have their commands."""
    from kedro.utils import is_kedro_project

    from pmd_pipeline.project_folder import project_folder

    return is_kedro_project(project_folder())


def command(name: str) -> str:
    """Return what to type for a command of this environment: its name, if the shell finds it."""
    own = Path(sys.executable).parent / name
    found = shutil.which(name, path=_search_path)
    if not own.exists() or (found is not None and own.samefile(found)):
        return name
    relative = os.path.relpath(own, _folder)
    is_near = not relative.startswith(os.path.join(os.pardir, os.pardir))
    return shlex.quote(relative if is_near else str(own))
