"""Storages: what is damaged, foreign or out of reach is refused in one clear sentence."""

import os
import sqlite3
import time
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from study_helpers import make_experiment, make_study

from pmd_pipeline.config.study import StorageConfig
from pmd_pipeline.studies.definition import create_or_load, definition, load
from pmd_pipeline.studies.errors import StudyError, StudyStorageError
from pmd_pipeline.studies.retries import take_back
from pmd_pipeline.studies.storage import open_storage, shown_place

SECRET = "hunter2"
# Nothing listens there: the discard port.
UNREACHABLE = f"postgresql://anna:{SECRET}@127.0.0.1:9/studies"


def _open(folder: Path, url: str | None = None, **fields: Any) -> optuna.storages.BaseStorage:
    return open_storage(StorageConfig(**fields), folder, url=url, on_stale=take_back)


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_a_study_survives_in_its_file(kind: str, tmp_path: Path) -> None:
    parameters, _ = make_experiment()
    wanted = definition(make_study(), parameters)
    create_or_load("a", _open(tmp_path, kind=kind), make_study(), wanted).enqueue_trial({"x": 1})
    again = create_or_load("a", _open(tmp_path, kind=kind), make_study(), wanted)
    assert len(again.get_trials()) == 1
    # What optuna-dashboard calls a trial's value.
    assert again.metric_names == ["validation score"]


@pytest.mark.parametrize(("kind", "name"), [("sqlite", "study.db"), ("journal", "study.journal")])
def test_a_damaged_file_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"not what it says\n" * 400)
    with pytest.raises(StudyStorageError, match=f"{name} is damaged or no study storage"):
        _open(tmp_path, kind=kind)


def test_a_journal_cut_in_the_middle_is_refused(tmp_path: Path) -> None:
    study = create_or_load("a", _open(tmp_path, kind="journal"), make_study(), {})
    study.enqueue_trial({"x": 1.0})
    file = tmp_path / "study.journal"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0][:10] + b"\n" + b"".join(lines[1:]))
    with pytest.raises(StudyStorageError, match="damaged"):
        _open(tmp_path, kind="journal")


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "study.db") as connection:
        connection.execute("create table trials (a integer)")
    with pytest.raises(StudyStorageError, match="another program's tables"):
        _open(tmp_path, kind="sqlite")


def test_a_study_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    storage = _open(tmp_path, kind="sqlite")
    optuna.create_study(study_name="a", storage=storage)
    with pytest.raises(StudyStorageError, match="that pmd_pipeline did not create"):
        load("a", storage)


def test_a_study_is_not_continued_with_other_parameters(tmp_path: Path) -> None:
    parameters, _ = make_experiment()
    storage = _open(tmp_path, kind="sqlite")
    create_or_load("a", storage, make_study(), definition(make_study(), parameters))
    changed, _ = make_experiment(training={"num_mini_batches": 4})
    with pytest.raises(StudyError, match=r"training\.num_mini_batches: 8 -> 4"):
        create_or_load("a", storage, make_study(), definition(make_study(), changed))


def test_more_trials_another_sampler_title_or_cluster_continue_a_study(tmp_path: Path) -> None:
    parameters, _ = make_experiment()
    storage = _open(tmp_path, kind="sqlite")
    create_or_load("a", storage, make_study(), definition(make_study(), parameters))
    later = make_study(num_trials=99, sampler={"kind": "gp"}, pruner={"kind": "none"})
    # What is searched, what other algorithms do and what the report is called change no trial.
    changed, _ = make_experiment(
        algorithms={"pmd_mean": {"tau": 0.7}, "grpo": {"clip_low": 0.1}},
        reporting={"title": "Other"},
        cluster={"address": "local", "training": {"max_restarts": 1}},
        training={"algorithms": ["grpo"]},
    )
    continued = create_or_load("a", storage, later, definition(later, changed))
    assert continued.study_name == "a"


def test_an_unreachable_database_is_refused_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StudyStorageError, match=r"anna:\*\*\*@127\.0\.0\.1:9") as caught:
        _open(tmp_path, UNREACHABLE, kind="postgresql", environment_variable="URL")
    assert SECRET not in str(caught.value)
    # Nothing that would write it to the error log.
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("url", [f"anna:{SECRET}@host", f"mysql://anna:{SECRET}@host/db"])
def test_a_url_of_something_else_is_refused_without_its_password(url: str, tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StudyStorageError, match="postgresql://user:password@host") as caught:
        _open(tmp_path, url, kind="postgresql", environment_variable="URL")
    assert SECRET not in str(caught.value)


def test_the_shown_place_has_no_password(tmp_path: Path) -> None:
    config = StorageConfig(kind="postgresql", environment_variable="URL")
    assert shown_place(config, tmp_path, UNREACHABLE) == "postgresql://anna:***@127.0.0.1:9/studies"


def test_a_journal_knows_which_worker_has_died(tmp_path: Path) -> None:
    """A trial with fresh signs of life stays; one whose signs are old is taken back."""
    storage = _open(tmp_path, kind="journal", heartbeat_seconds=1, grace_seconds=5)
    study = create_or_load("a", storage, make_study(), {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna would rather have us in its own loop
        alive, dead = study.ask(), study.ask()
    study_id = storage.get_study_id_from_name("a")
    ids = [
        storage.get_trial_id_from_study_id_trial_number(study_id, trial.number)
        for trial in (alive, dead)
    ]
    for trial_id in ids:
        storage.record_heartbeat(trial_id)  # type: ignore[attr-defined]
    long_ago = time.time() - 60
    os.utime(tmp_path / "study.heartbeats" / str(ids[1]), (long_ago, long_ago))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optuna.storages.fail_stale_trials(study)
    assert [trial.state for trial in study.get_trials()] == [
        TrialState.RUNNING,
        TrialState.FAIL,
        TrialState.WAITING,
    ]
