"""Addresses: of local databases, for libraries that want a URL, and of files on other machines."""

import re
from pathlib import Path
from urllib.parse import quote

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


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


def is_address(path: str) -> bool:
    """Return True for an address such as ``s3://bucket/file``, False for a local path."""
    return _SCHEME.match(path) is not None
