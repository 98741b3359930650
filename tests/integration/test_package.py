"""The project's wheel beside its configuration archive, with nothing else of the project."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from forks import run_forked
from helpers import PROJECT


@pytest.fixture
def empty_environment(tmp_path: Path) -> Path:
    """Return the interpreter of an environment with the wheel and what it needs, no more."""
    source = tmp_path / "source"
    shutil.copytree(PROJECT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    [packages] = (tmp_path / "venv" / "lib").glob("*/site-packages")
    # Its own .pth files, such as that of this checkout, are not read there.
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))
    # A wheel as `kedro package` has it built, but by the tools that are installed here.
    options = ("--no-deps", "--no-build-isolation", "--no-compile", "--disable-pip-version-check")
    install = ("--python", str(python), "install", *options, str(source))
    _python(sys.executable, "-m", "pip", *install, cwd=tmp_path)
    return python


def _python(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done


@pytest.mark.slow
def test_the_wheel_runs_beside_the_configuration_archive(
    empty_environment: Path, unused, tmp_path: Path
) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    with tarfile.open(place / "conf.tar.gz", "w:gz") as archive:
        archive.add(unused.path / "conf", "conf")
    shutil.copy(unused.path / "mlflow.db", place)
    before = (place / "mlflow.db").read_bytes()
    options = ("--conf-source", "conf.tar.gz", "--env", "tiny", "--pipelines", "data_preparation")
    _python(str(empty_environment), "-m", "pmd_pipeline", *options, cwd=place)
    assert list((place / "data").rglob("train_problems.parquet/*/train_problems.parquet"))
    assert (place / "mlflow.db").read_bytes() != before
    assert {path.name for path in place.iterdir()} <= {"conf.tar.gz", "data", "mlflow.db", "mlruns"}


@pytest.fixture
def packaged(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Gives arguments to the package in a folder that is no project."""

    def command(*arguments: str) -> tuple[int, str]:
        said = tmp_path / "said"

        def run() -> None:
            from pmd_pipeline.__main__ import main

            os.chdir(tmp_path)
            main(arguments)

        return run_forked(run, stdout=said, stderr=said), said.read_text()

    return command


def test_the_packages_own_commands_need_no_project(packaged, unused, tmp_path: Path) -> None:
    shutil.copytree(unused.path / "conf", tmp_path / "conf")
    status, said = packaged("study", "status", "tau_and_group_size", "--env", "smoke")
    assert "has not been started; run: kedro study run tau_and_group_size --env smoke" in said
    assert status == 1
    status, said = packaged("--env", "nosuch")
    assert "there is no environment 'nosuch'" in said
    assert status == 1


def test_without_a_configuration_one_message_says_where_it_was_looked_for(
    packaged, tmp_path: Path
) -> None:
    status, said = packaged()
    assert status == 1
    assert f"there is no folder 'base' in {tmp_path / 'conf'}" in said
    assert "--conf-source" in said
    assert "Traceback" not in said
