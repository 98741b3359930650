"""Addresses of local databases, for libraries that take a URL where a path is meant."""

from pathlib import Path
from urllib.parse import quote


def sqlite_address(path: Path) -> str:
    """Return the SQLAlchemy URL of a SQLite file, whatever characters its folders have.

    Args:
        path: The file, absolute.
    """
    plain = path.as_posix()
    if quote(plain) == plain:
        return f"sqlite:///{plain}"
    # The slashes too: MLflow takes the text, still escaped, for the path whose folder it makes,
    # and without a slash that is the working directory instead of a twin of the project's folder.
    return f"sqlite:///{quote(plain, safe='')}"
