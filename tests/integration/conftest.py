"""Projects that many tests share."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from forks import refuse_import
from omegaconf import OmegaConf
from projects import COMPARED, SHAPED, TINY, Project, make_project


@pytest.fixture(scope="session")
def make_shaped() -> Callable[[Path], Project]:
    """Return what makes a project whose environment ``tiny`` has the parameters SHAPED."""

    def make(path: Path) -> Project:
        project = make_project(path)
        (path / "conf" / "tiny" / "parameters.yml").write_text(SHAPED)
        return project

    return make


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def make_project_at() -> Callable[[Path], Project]:
    """Return what makes a project in a folder of your choice."""
    return make_project


@pytest.fixture(scope="session")
def unused(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which nothing has run; do not change it."""
    return make_project(tmp_path_factory.mktemp("unused") / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose ``tiny`` run was compared without an interruption; do not change it.

    Whatever would have imported ray had failed: tests/integration/test_start.py.
    """
    finished = make_project(tmp_path_factory.mktemp("finished") / "project")
    outputs = ["comparison", "comparison_by_seed"]
    assert finished.run(before=partial(refuse_import, "ray"), to_outputs=outputs) == 0
    return finished


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project after ``kedro run --env smoke``; do not change it."""
    path = make_project(tmp_path_factory.mktemp("smoke") / "project", has_database=False).path
    project = Project(path, env="smoke")
    result = project.kedro("run", "--env", "smoke")
    assert result.returncode == 0, result.stderr[-3000:]
    (project.path / "stdout.txt").write_text(result.stdout)
    (project.path / "stderr.txt").write_text(result.stderr)
    return project


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose rounds were held against theory; its tables may be made anew."""
    project = make_project(tmp_path_factory.mktemp("compared") / "project")
    parameters = OmegaConf.merge(OmegaConf.create(TINY), OmegaConf.create(COMPARED))
    OmegaConf.save(parameters, project.path / "conf" / "tiny" / "parameters.yml")
    assert project.run() == 0
    return project
