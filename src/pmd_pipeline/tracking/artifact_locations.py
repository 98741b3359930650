"""Where a local store keeps its artifacts: beside its database, also after a move.

MLflow writes the place of every experiment's and run's artifacts into the database, as an absolute
address. It takes a relative one too, but resolves it from the working directory of whoever reads
it. So a database that was moved or copied names folders of its former place.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri

from pmd_pipeline.tracking.errors import TrackingError

FOLDER_NAME = "mlruns"

# Tables and columns with addresses of artifacts.
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


class Moved(NamedTuple):
    """A folder of artifacts, and the one that the database names in its place now."""

    former: Path
    new: Path


def relocate(database: Path, root: Path) -> list[Moved]:
    """Let every address of a local folder outside ``root`` name the same folder below it.

    What follows ``mlruns`` in the former path stays. Files are neither moved nor copied.

    Args:
        database: MLflow's, in SQLite.
        root: The folder of the project's artifacts.

    Returns:
        What was changed, without what lies below something else of it.

    Raises:
        TrackingError: If the database cannot be changed; then nothing is.
    """
    root = root.resolve()
    moves: dict[Path, Path] = {}
    try:
        # A missing file would be made.
        address = f"{database.resolve().as_uri()}?mode=rw"
        with closing(
            sqlite3.connect(address, uri=True, timeout=10, isolation_level=None)
        ) as connection:
            connection.execute("begin immediate")
            for table, column in _COLUMNS:
                for row, former in _foreign(connection, table, column, root):
                    new = _new_place(former, moves, root, is_experiment=table == "experiments")
                    if new is None:
                        continue
                    moves.setdefault(former, new)
                    connection.execute(
                        f"update {table} set {column} = ? where rowid = ?", (new.as_uri(), row)
                    )
            connection.execute("commit")
    except sqlite3.Error as error:
        raise TrackingError(f"{database} cannot be changed: {error}") from error
    return [Moved(a, b) for a, b in moves.items() if not moves.keys() & set(a.parents)]


def local_path(address: str | None) -> Path | None:
    """Return the folder that MLflow makes of an address; None for a server's or a cloud's."""
    if not address or not is_local_uri(address):
        return None
    return Path(local_file_uri_to_path(address)).resolve()


def _foreign(
    connection: sqlite3.Connection, table: str, column: str, root: Path
) -> list[tuple[int, Path]]:
    """Return rows whose address is a local folder outside ``root``, and the folder."""
    known = {name for _, name, *_ in connection.execute(f"pragma table_info({table})")}
    if column not in known:
        return []
    rows = connection.execute(f"select rowid, {column} from {table}").fetchall()
    paths = [(row, local_path(address)) for row, address in rows]
    return [(row, path) for row, path in paths if path and not path.is_relative_to(root)]


def _new_place(
    former: Path, moves: dict[Path, Path], root: Path, *, is_experiment: bool
) -> Path | None:
    for parent in (former, *former.parents):
        if parent in moves:
            return moves[parent] / former.relative_to(parent)
        if parent.name == FOLDER_NAME:
            return root / former.relative_to(parent)
    # An experiment that had a folder of its own choice; of anything else we know nothing.
    return root if is_experiment else None
