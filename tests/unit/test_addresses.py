"""Addresses of SQLite files lead back to the file, for SQLAlchemy, MLflow and Optuna alike."""

from pathlib import Path

import optuna
import pytest
from mlflow.store.db.utils import create_sqlalchemy_engine_with_retry
from sqlalchemy.engine import make_url

from pmd_pipeline.addresses import sqlite_address

NAMES = ["plain", "a b", "100%", "a%20b", "%41", "what?", "a?b=c", "#1", "é漢", "{a}", "[x]*"]


@pytest.mark.parametrize("name", NAMES)
def test_an_address_is_read_back_as_the_same_file(name: str) -> None:
    path = Path("/home") / name / "mlflow.db"
    assert make_url(sqlite_address(path)).database == str(path)


def test_mlflow_and_optuna_write_into_the_folder_and_nowhere_else(tmp_path: Path) -> None:
    folder = tmp_path / "outer" / "".join(NAMES)
    folder.mkdir(parents=True)
    engine = create_sqlalchemy_engine_with_retry(sqlite_address(folder / "mlflow.db"))
    with engine.connect() as connection:
        connection.exec_driver_sql("create table kept (id)")
        connection.commit()
    optuna.storages.RDBStorage(sqlite_address(folder / "study.db")).remove_session()
    assert {path.name for path in folder.iterdir()} == {"mlflow.db", "study.db"}
    assert list(folder.parent.iterdir()) == [folder]


def test_a_plain_path_stays_readable() -> None:
    assert sqlite_address(Path("/home/me/mlflow.db")) == "sqlite:////home/me/mlflow.db"
