"""The project's wheel and its configuration archive, with nothing else of the project."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable
from pathlib import Path
from venv import create

import pytest
from forks import run_forked
from helpers import PROJECT
from projects import TINY

STEPS = PROJECT / "docker" / "steps.sh"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """The wheel and the archive of the configuration, as the image's first stage makes them."""
    source, dist = tmp_path / "source", tmp_path / "dist"
    shutil.copytree(PROJECT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    shutil.copytree(PROJECT / "conf", source / "conf")
    (source / "conf" / "local" / "credentials.yml").write_text("secret: {key: value}\n")
    (source / "conf" / "tiny").mkdir()
    (source / "conf" / "tiny" / "parameters.yml").write_text(TINY)
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(PROJECT / name, source)
    # By the tools that are installed here.
    _step("build", source, dist, cwd=tmp_path, BUILD_OPTIONS="--no-build-isolation")
    return dist


@pytest.fixture
def empty_environment(dist: Path, tmp_path: Path) -> Path:
    """An environment with the wheel, and beside it what is installed here."""
    venv = tmp_path / "venv"
    create(venv, with_pip=False)
    [packages] = (venv / "lib").glob("*/site-packages")
    # Its own .pth files, such as that of this checkout, are not read there.
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))
    _step("install", dist, venv, cwd=tmp_path, INSTALL_OPTIONS="--no-deps --no-compile")
    return venv


def _step(*arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Take a step of the Dockerfile."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [STEPS, *map(str, arguments)],
        cwd=cwd,
        env={**environment, "PYTHON": sys.executable, **variables},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done


@pytest.mark.slow
def test_the_images_steps_give_what_runs_in_an_empty_folder(
    dist: Path, empty_environment: Path, unused, tmp_path: Path
) -> None:
    with tarfile.open(dist / "conf-pmd_pipeline.tar.gz") as archive:
        names = archive.getnames()
    assert "conf/base/parameters.yml" in names
    assert not [name for name in names if "credentials" in name]
    place = tmp_path / "elsewhere"
    place.mkdir()
    shutil.copy(unused.path / "mlflow.db", place)
    before = (place / "mlflow.db").read_bytes()
    options = ("--env", "tiny", "--pipelines", "data_preparation")
    _step("run", dist, empty_environment, *options, cwd=place)
    assert list((place / "data").rglob("train_problems.parquet/*/train_problems.parquet"))
    assert (place / "mlflow.db").read_bytes() != before
    assert {path.name for path in place.iterdir()} <= {"conf", "data", "mlflow.db", "mlruns"}


def test_the_image_gets_what_its_first_stage_reads_and_no_secrets() -> None:
    ignored = (PROJECT / ".dockerignore").read_text("utf-8").splitlines()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (PROJECT / "Dockerfile").read_text(), re.M)
    needed = {name.split("/")[0] for line in copied for name in line.split()}
    assert needed == {line[1:] for line in ignored if line.startswith("!")}
    assert "conf/local" in ignored


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
    study = "-m pmd_pipeline study run tau_and_group_size --env smoke"
    assert re.search(rf"has not been started; run: \S*python\S* {study}$", said, re.MULTILINE)
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


def test_with_the_configuration_elsewhere_it_logs_as_in_the_project(tmp_path: Path) -> None:
    """Kedro's own logging would have 4,000 lines for the smoke run."""
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "pmd_pipeline", "--env", "nosuch"),
            *("--conf-source", str(PROJECT / "conf")),
        ],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "KEDRO_LOGGING_CONFIG"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "there is no environment 'nosuch'" in said
    assert "INFO" not in said
    assert "logging configuration" not in said


def test_the_package_logs_as_the_project_does() -> None:
    of_the_project = (PROJECT / "conf" / "logging.yml").read_bytes()
    assert (PROJECT / "src" / "pmd_pipeline" / "logging.yml").read_bytes() == of_the_project
