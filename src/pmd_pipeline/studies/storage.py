"""Opening a study's storage: SQLite or a journal file in the project, or PostgreSQL."""

import logging
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, assert_never

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from pmd_pipeline.addresses import sqlite_address
from pmd_pipeline.config.study import StorageConfig
from pmd_pipeline.studies.errors import StudyStorageError
from pmd_pipeline.studies.journal import HeartbeatJournalStorage

_CONNECT_SECONDS = 10
_SQLITE_BUSY_SECONDS = 60
_OPTUNA_TABLE = "version_info"

OnStale = Callable[[Study, FrozenTrial], None]


def open_storage(
    config: StorageConfig, folder: Path, *, url: str | None, on_stale: OnStale
) -> BaseStorage:
    """Return the opened storage; a missing file is created.

    Args:
        config: Kind, place and heartbeat.
        folder: The study's own folder, for files without a path.
        url: Of PostgreSQL; it may contain a password and appears in no message.
        on_stale: Called with a trial whose worker has died.

    Raises:
        StudyStorageError: If it cannot be opened or holds something else.
    """
    if config.kind == "postgresql":
        assert url is not None
        return _open_postgresql(config, url, on_stale)
    path = storage_path(config, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        match config.kind:
            case "journal":
                return HeartbeatJournalStorage(
                    JournalFileBackend(str(path)), path.with_suffix(".heartbeats"), config, on_stale
                )
            case "sqlite":
                _refuse_foreign_sqlite(path)
                return _relational(
                    sqlite_address(path),
                    {"connect_args": {"timeout": _SQLITE_BUSY_SECONDS}},
                    config,
                    on_stale,
                )
            case _:
                assert_never(config.kind)
    except Exception as error:  # the libraries raise anything from KeyError to DatabaseError
        raise StudyStorageError(
            f"{path} is damaged or no study storage of kind {config.kind} "
            f"({_first_line(error)}); restore it from a copy, or move it away to begin afresh"
        ) from None


def storage_path(config: StorageConfig, folder: Path) -> Path:
    """Return the file of a file storage."""
    if config.path is not None:
        return Path(config.path).resolve()
    match config.kind:
        case "sqlite":
            return (folder / "study.db").resolve()
        case "journal":
            return (folder / "study.journal").resolve()
        case "postgresql":
            raise ValueError("a storage of kind postgresql is a server, no file")
        case _:
            assert_never(config.kind)


def shown_place(config: StorageConfig, folder: Path, url: str | None) -> str:
    """Return where the trials are kept, without any password."""
    if config.kind != "postgresql":
        return str(storage_path(config, folder))
    assert url is not None
    return _parsed(url).render_as_string(hide_password=True)


def _open_postgresql(config: StorageConfig, url: str, on_stale: OnStale) -> BaseStorage:
    if find_spec("psycopg") is None:
        raise StudyStorageError(
            "storage.kind postgresql needs the driver psycopg: pip install 'pmd_pipeline[postgres]'"
        )
    parsed = _parsed(url)
    if parsed.get_backend_name() != "postgresql":
        raise StudyStorageError(
            f"storage.kind is postgresql, but the URL begins with {parsed.drivername}://; it reads "
            "postgresql://user:password@host:port/database"
        )
    full = parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    options = {"connect_args": {"connect_timeout": _CONNECT_SECONDS}, "pool_pre_ping": True}
    try:
        return _relational(full, options, config, on_stale)
    except Exception as error:
        reason = _first_line(error)
        for secret in filter(None, (full, str(parsed.password or ""))):
            reason = reason.replace(secret, "***")
        # Without its cause: a traceback would write the URL to the error log.
        raise StudyStorageError(
            f"the database {parsed.render_as_string(hide_password=True)} cannot be used "
            f"({reason}); check that the server runs, can be reached from here and knows the user"
        ) from None


def _refuse_foreign_sqlite(path: Path) -> None:
    """Refuse another program's database: Optuna would add its tables to it."""
    if not path.is_file():
        return
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master")}
    if tables and _OPTUNA_TABLE not in tables:
        raise ValueError("it holds another program's tables")


def _relational(
    url: str, engine_options: dict[str, Any], config: StorageConfig, on_stale: OnStale
) -> RDBStorage:
    with warnings.catch_warnings():
        # The heartbeat is called experimental.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Alembic reports every inspection of the schema.
        logging.getLogger("alembic").setLevel(logging.WARNING)
        return RDBStorage(
            url,
            engine_kwargs=engine_options,
            heartbeat_interval=config.heartbeat_seconds,
            grace_period=config.grace_seconds,
            heartbeat_stale_trial_callback=on_stale,
        )


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        # The text itself may hold a password.
        raise StudyStorageError(
            "the study's database URL cannot be read; it reads "
            "postgresql://user:password@host:port/database"
        ) from None


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    text = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {text[0]}" if text else type(cause).__name__
