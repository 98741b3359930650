"""What a user has to type for a command of this environment."""

import os
import sys
from pathlib import Path

import pytest

from pmd_pipeline import shell


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The commands of an environment in a project's folder, which is the working directory."""
    commands = tmp_path / "my project" / ".venv" / "bin"
    commands.mkdir(parents=True)
    for name in ("python", "kedro"):
        (commands / name).touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(commands / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path / "my project")
    (tmp_path / "my project" / "pyproject.toml").write_text(
        '[tool.kedro]\npackage_name = "x"\nproject_name = "x"\nkedro_init_version = "1.0.0"\n'
    )
    return commands


def test_a_command_that_the_shell_does_not_find_is_said_with_its_folder(environment: Path) -> None:
    shell.put_commands_on_path()
    assert shell.kedro("viz run") == ".venv/bin/kedro viz run"
    assert os.environ["PATH"].split(os.pathsep)[0] == str(environment)


def test_a_command_that_the_shell_finds_is_said_by_its_name(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(environment))
    shell.put_commands_on_path()
    assert shell.kedro("viz run") == "kedro viz run"


@pytest.mark.parametrize("env", [None, "local", "base"])
def test_an_environment_that_is_taken_anyway_is_not_named(
    environment: Path, env: str | None
) -> None:
    shell.put_commands_on_path()
    assert shell.kedro("run", env) == ".venv/bin/kedro run"
    assert shell.kedro("run", "mine") == ".venv/bin/kedro run --env mine"


def test_another_environments_command_of_that_name_does_not_count(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = environment.parents[2] / "bin"
    other.mkdir()
    (other / "kedro").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(other))
    shell.put_commands_on_path()
    assert shell.command("kedro") == ".venv/bin/kedro"


def test_from_far_away_the_whole_path_is_said_in_one_word(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (environment.parents[2] / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(environment.parents[2] / "a" / "b")
    shell.put_commands_on_path()
    assert shell.command("kedro") == f"'{environment / 'kedro'}'"


def test_without_a_project_the_package_is_called(environment: Path, tmp_path: Path) -> None:
    Path("pyproject.toml").unlink()
    shell.put_commands_on_path()
    assert shell.kedro("run") == ".venv/bin/python -m pmd_pipeline run"
