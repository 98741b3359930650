"""Where a project lies and where a command is given: any folder's name, any folder in it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from study_helpers import query

# Each part means something to a URL, a pattern or a shell.
ODD = "a %20 %41 w?y #1 [x] é"

# A relative path in a user's own code belongs to the project too.
OWN = """
from pathlib import Path

def make_reward():
    unit = float(Path("unit.txt").read_text())
    return lambda prompts, responses: [len(text) / unit for text in responses]
"""


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def odd(tmp_path: Path, make_project_at: Callable) -> Callable:
    """A project in a folder with an odd name, with a folder ``notes`` and a sibling like it."""
    project = make_project_at(tmp_path / "outer" / ODD)
    (project.path / "notes").mkdir()
    sibling = tmp_path / "outer" / ODD.replace("?", "h")
    shutil.copytree(project.path / "conf", sibling / "conf")
    return project


def test_a_run_from_a_folder_within_writes_into_the_project_alone(odd) -> None:
    (odd.path / "own.py").write_text(OWN)
    (odd.path / "unit.txt").write_text("100")
    with (odd.path / "conf" / "tiny" / "parameters.yml").open("a") as parameters:
        parameters.write('rewards: {kind: import, import_path: "own:make_reward"}\n')
    stages = "data_preparation,policy_initialisation,rollout_generation"
    result = odd.command("run", "--env", "tiny", "--pipelines", stages, folder="notes")
    assert result.returncode == 0, result.stderr[-3000:]

    assert _files(odd.path / "notes") == set()
    assert _files(odd.path.parent) == {ODD, ODD.replace("?", "h")}
    assert _files(odd.path.parent / ODD.replace("?", "h")) == {"conf"}
    [initial] = odd.data.rglob("initial_rollouts.parquet/*/initial_rollouts.parquet")
    assert initial.is_file()
    [(place,)] = query(
        odd.path / "mlflow.db",
        "select artifact_location from experiments where name = 'pmd_pipeline'",
    )
    assert place == (odd.path / "mlruns").as_uri()


def test_commands_work_from_a_folder_within(odd) -> None:
    listed = odd.command("registry", "list", folder="notes")
    assert listed.returncode == 0, listed.stderr[-3000:]
    assert "- rollout_generation" in listed.stdout
    # A path on the command line belongs to where the user is.
    (odd.path / "notes" / "config.json").write_text("{}")
    for path, message in {"config.json": "config.json", "conf": "'conf' does not exist"}.items():
        result = odd.command("preflight", "--model-config", path, folder="notes")
        assert message in result.stdout + result.stderr
    assert _files(odd.path / "notes") == {"config.json"}


def test_a_brace_in_the_folders_name_is_refused_before_anything_is_written(
    tmp_path: Path, make_project_at
) -> None:
    project = make_project_at(tmp_path / "{name}")
    for arguments in (["run"], ["study", "run", "tau_and_group_size"], ["preflight"]):
        result = project.command(*arguments)
        assert result.returncode == 1
        assert "has a brace in its name" in result.stderr
    assert _files(project.path / "data") == {"last_error.log"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["preflight"],
        ["study", "status", "tau_and_group_size"],
        ["regrade", "completions.parquet"],
        ["catalog", "list-patterns"],
        ["mlflow", "ui"],
        ["viz", "run"],
    ],
)
def test_an_unknown_environment_is_one_message(arguments: list[str], unused) -> None:
    result = unused.command(*arguments, "--env", "nosuch")
    assert result.returncode == 1
    assert "there is no environment 'nosuch'" in result.stderr
    assert re.search(r"has: base, .*local, paper_qwen2_5_7b", result.stderr)
    assert "Traceback" not in result.stderr + result.stdout


def test_without_conf_local_everything_works_on_the_base(project) -> None:
    shutil.rmtree(project.path / "conf" / "local")
    result = project.command("catalog", "list-patterns")
    assert result.returncode == 0, result.stderr[-3000:]
    assert "{algorithm}.seed_{seed}.round_metrics" in result.stdout
