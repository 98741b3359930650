"""The commands of ``kedro study``: what they show, and their errors before anything runs."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kedro.framework.startup import bootstrap_project
from study_helpers import make_study, make_study_project, write_small

from pmd_pipeline.cli import cli
from pmd_pipeline.config.study import StorageConfig
from pmd_pipeline.studies.definition import create_or_load
from pmd_pipeline.studies.retries import take_back
from pmd_pipeline.studies.storage import open_storage
from pmd_pipeline.study_commands.project import read_project

Study = Callable[..., Result]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = make_study_project(tmp_path / "project", with_base=False)
    former = Path.cwd()
    os.chdir(path)
    bootstrap_project(path)
    yield path
    os.chdir(former)


@pytest.fixture
def study(path: Path) -> Study:
    """Runs ``kedro study`` with arguments on the environment ``small``."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["study", *arguments, "--env", "small"])

    return run


def _nothing_ran(path: Path) -> bool:
    return not (path / "data" / "studies" / "small" / "base").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"search_space": {"algorithm.tua": {"kind": "float", "low": 0.1, "high": 1.0}}},
            "no such parameter of pmd_mean; did you mean 'algorithm.tau'",
        ),
        (
            {"search_space": {"algorithm.tau": {"kind": "float", "low": 1.0, "high": 0.1}}},
            "wrong way round: low 1 is not below high 0.1; swap them",
        ),
        ({"budget": {"rollouts": 102}}, "budget.rollouts 102 cannot be divided into 2 rounds"),
        (
            {"storage": {"kind": "postgresql", "environment_variable": "NOT_SET_ANYWHERE"}},
            "NOT_SET_ANYWHERE is not set; set it to postgresql://user:password@host",
        ),
        (
            {"storage": {"kind": "postgresql", "credentials": "study_storage"}},
            "conf/local/credentials.yml has no entry 'study_storage' with the key url",
        ),
        ({"storage": {"path": "mlflow.db"}}, "mlflow.db is damaged or no study storage"),
    ],
)
def test_a_wrong_study_is_one_error_before_anything_runs(
    changes: dict[str, object], message: str, path: Path, study: Study
) -> None:
    write_small(path, studies={"small": changes})
    result = study("run", "small")
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert _nothing_ran(path)


def test_an_unreachable_database_is_one_error_without_its_password(
    path: Path, study: Study
) -> None:
    pytest.importorskip("psycopg")
    write_small(path, studies={"small": {"storage": {"kind": "postgresql", "credentials": "db"}}})
    (path / "conf" / "local").mkdir(exist_ok=True)
    (path / "conf" / "local" / "credentials.yml").write_text(
        "db: {url: 'postgresql://anna:hunter2@127.0.0.1:9/studies'}\n"
    )
    result = study("run", "small")
    assert result.exit_code == 1
    assert "postgresql://anna:***@127.0.0.1:9/studies cannot be used" in result.output
    assert "hunter2" not in result.output
    assert "hunter2" not in (path / "data" / "last_error.log").read_text()
    assert _nothing_ran(path)


def test_an_unknown_study_is_named_with_those_that_there_are(study: Study) -> None:
    result = study("status", "smal")
    assert result.exit_code == 1
    assert "there is no study 'smal'" in result.output
    assert "did you mean 'small'?" in result.output


@pytest.mark.parametrize("command", ["status", "report", "export", "worker"])
def test_a_study_that_was_not_begun_says_how_to_begin_it(command: str, study: Study) -> None:
    result = study(command, "small")
    assert result.exit_code == 1
    assert "has not been started; run: kedro study run small --env small" in result.output


def test_the_status_lists_every_trial(path: Path, study: Study) -> None:
    config = make_study()
    folder = read_project("small", path=path, env="small").folder
    storage = open_storage(StorageConfig(), folder, url=None, on_stale=take_back)
    begun = create_or_load("small", storage, config, {})
    trial = begun.ask()
    trial.suggest_float("algorithm.tau", 0.02, 2.0)
    begun.tell(trial, 0.625)
    result = study("status", "small")
    assert result.exit_code == 0, result.output
    assert "algorithm.tau" in result.output
    assert "finished  0.625" in result.output
    assert "1 finished" in result.output


def test_the_dashboard_says_how_to_install_it(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    result = study("dashboard", "small")
    assert result.exit_code == 1
    assert "pip install 'pmd_pipeline[dashboard]'" in result.output
