"""Objects of the user's own, by import path."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pmd_pipeline.project_folder import project_folder

IMPORT_PATH_PATTERN: Final = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
USER_FOLDERS: Final = ("rewards", "problems")


class UserImportError(ValueError):
    """An import path leads to nothing; the message says where was looked and what to do."""


def import_object(import_path: str, *, parameter: str) -> Any:
    """Return the object that ``my_package.my_module:name`` names.

    Modules are looked for where Python looks, then in the project's folder, then in its folders
    ``rewards`` and ``problems`` beside ``conf``.

    Args:
        import_path: Module and name, a colon between them.
        parameter: The parameter that holds the path, for messages.

    Raises:
        UserImportError: If the module is not found or fails to import, or lacks the name.
    """
    module_name, _, name = import_path.partition(":")
    folders = list(user_folders())
    for folder in folders:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name.partition(".")[0] and error.name != module_name:
            raise _failed(import_path, parameter, error) from error
        looked = ", ".join(map(str, folders))
        raise UserImportError(
            f"{parameter}: there is no module {module_name!r} (looked where Python looks, and in "
            f"{looked}); correct the path {import_path!r}, or put the file there"
        ) from error
    except Exception as error:
        raise _failed(import_path, parameter, error) from error
    if not hasattr(module, name):
        where = getattr(module, "__file__", None) or module_name
        raise UserImportError(
            f"{parameter}: {where} has no {name!r}; it has "
            f"{', '.join(n for n in vars(module) if not n.startswith('_')) or 'no names'}"
        )
    return getattr(module, name)


def user_folders() -> Iterator[Path]:
    """Yield where a user's own modules lie: the project's folder, and ``USER_FOLDERS`` in it."""
    project = project_folder()
    yield project
    yield from (project / name for name in USER_FOLDERS if (project / name).is_dir())


def _failed(import_path: str, parameter: str, error: Exception) -> UserImportError:
    return UserImportError(
        f"{parameter}: importing {import_path!r} failed with {type(error).__name__}: {error}; "
        "correct the module"
    )
