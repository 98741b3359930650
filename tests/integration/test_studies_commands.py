"""The commands of ``kedro study``: what they show, and their errors before anything runs."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from kedro.framework.startup import bootstrap_project
from study_helpers import make_study, make_study_project, write_small

from pmd_pipeline.cli import cli
from pmd_pipeline.config.study import StorageConfig
from pmd_pipeline.config_loader import project_loader
from pmd_pipeline.studies.definition import create_or_load
from pmd_pipeline.studies.retries import take_back
from pmd_pipeline.studies.search_space import distributions
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
    return not (path / "data" / "small" / "studies" / "small" / "base").exists()


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


@pytest.mark.parametrize(
    ("storage", "options", "status", "message"),
    [
        ("journal", ["--workers", "ray"], 2, "--workers ray and --num-workers N belong together"),
        ("journal", ["--num-workers", "2"], 2, "--workers ray and --num-workers N belong together"),
        ("sqlite", ["--workers", "ray", "--num-workers", "2"], 1, "set storage.kind to journal"),
        ("journal", ["--workers", "ray", "--num-workers", "2"], 1, "'pmd_pipeline[ray]'"),
    ],
)
def test_workers_on_a_cluster_that_cannot_be_are_refused_before_anything_runs(
    storage: str,
    options: list[str],
    status: int,
    message: str,
    path: Path,
    study: Study,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    write_small(path, studies={"small": {"storage": {"kind": storage}}})
    result = study("run", "small", *options)
    assert result.exit_code == status
    assert message in result.output
    assert _nothing_ran(path)
    assert not (path / "data" / "small" / "studies" / "small" / "study.journal").exists()


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
    begin = r"has not been started; run: \S*kedro study run small --env small$"
    assert re.search(begin, result.output, re.MULTILINE)


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
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    result = study("dashboard", "small")
    assert result.exit_code == 1
    assert "pip install 'pmd_pipeline[dashboard]'" in result.output


def _finish_a_trial(path: Path) -> None:
    """Give the study ``small`` a finished trial, without running it."""
    project = read_project("small", path=path, env="small")
    storage = open_storage(StorageConfig(), project.folder, url=None, on_stale=take_back)
    begun = create_or_load("small", storage, project.config, project.definition)
    trial = begun.ask(distributions(project.config))
    trial.set_user_attr("repeat_values", [0.5])
    begun.tell(trial, 0.5)
    project.base_folder.mkdir()
    (project.base_folder / "base.json").write_text('{"metric": "avg_at_k", "num_overlaps": 0}')


def _of(path: Path, env: str, kind: str) -> dict[str, object]:
    return dict(project_loader(path, env)[kind])


def test_the_export_holds_every_file_that_the_environment_lays_over_the_base(
    path: Path, study: Study
) -> None:
    env = path / "conf" / "small"
    files = {
        "catalog_more.yaml": "a: {type: pandas.CSVDataset, filepath: '${globals:data_root}/a.csv'}",
        "catalog/deep/entries.yml": "b: {type: pandas.CSVDataset, filepath: '${_folder}/b.csv'}",
        "catalog/templates.json": '{"_folder": "elsewhere"}',
        "team/mlflow.yml": "server: {mlflow_tracking_uri: 'sqlite:///small.db'}",
        "parameters/more.yml": "reporting: {title: 'Small'}",
        "globals.yml": "keep_optimizer_states: last",
    }
    for name, text in files.items():
        (env / name).parent.mkdir(parents=True, exist_ok=True)
        (env / name).write_text(text)
    _finish_a_trial(path)
    result = study("export", "small")
    assert result.exit_code == 0, result.output
    for kind in ("mlflow", "catalog"):
        expected = yaml.safe_dump(_of(path, "small", kind))
        found = yaml.safe_dump(_of(path, "small_best", kind))
        roots = [str(_of(path, env, "globals")["data_root"]) for env in ("small", "small_best")]
        assert found == expected.replace(f"{roots[0]}/", f"{roots[1]}/")
    assert _of(path, "small_best", "parameters")["reporting"] == {"title": "Small"}
    assert _of(path, "small_best", "globals")["keep_optimizer_states"] == "last"
    # Its results have a folder of their own.
    assert _of(path, "small_best", "globals")["data_root"] == "data/small_best"


def test_the_export_of_the_default_environment_holds_conf_locals_files_but_no_secret(
    path: Path,
) -> None:
    local = path / "conf" / "local"
    shutil.copy(path / "conf" / "small" / "parameters.yml", local)
    (local / "globals.yml").write_text("data_root: ${_disk}/mine\n_disk: scratch")
    # The helper below reads the study in its own environment.
    (path / "conf" / "small" / "globals.yml").write_text("data_root: scratch/mine")
    (local / "mlflow.yaml").write_text("server: {credentials: tracking}")
    (local / "credentials.yml").write_text("tracking: {token: hunter2}")
    _finish_a_trial(path)
    result = CliRunner().invoke(cli, ["study", "export", "small"])
    assert result.exit_code == 0, result.output
    exported = path / "conf" / "small_best"
    assert _of(path, "small_best", "globals")["data_root"] == "scratch/mine/small_best"
    assert _of(path, "small_best", "mlflow")["server"] == {"credentials": "tracking"}
    assert _of(path, "small_best", "credentials") == {"tracking": {"token": "hunter2"}}
    assert not [file for file in exported.rglob("*.yml") if "hunter2" in file.read_text()]


def test_credentials_outside_conf_local_and_files_of_two_kinds_are_refused(
    path: Path, study: Study
) -> None:
    _finish_a_trial(path)
    env = path / "conf" / "small"
    for name, message in {
        "credentials.yml": "holds credentials, which are not copied; move them to conf/local",
        "catalog/parameters.yml": "is read as catalog and as parameters",
    }.items():
        (env / name).parent.mkdir(exist_ok=True)
        (env / name).write_text("{}")
        result = study("export", "small")
        assert result.exit_code == 1
        assert message in result.output
        assert not (path / "conf" / "small_best").exists()
        (env / name).unlink()
