"""What all accidents share: an uninterrupted run to compare with, random numbers, the figures."""

import os
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from crash_figures import write_figures
from crash_projects import RUN, Reference, make_crash_project
from forks import preload

SEED = int(os.environ.get("CRASH_SEED", "0"))
# A part of all accidents, for a first look: CRASH_SHARE=0.1
SHARE = float(os.environ.get("CRASH_SHARE", "1"))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers of each test's own."""
    print(f"\nCRASH_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def share() -> float:
    """The part of all accidents to try."""
    return SHARE


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """A run that nothing interrupts; do not change it."""
    project = make_crash_project(tmp_path_factory.mktemp("reference") / "project")
    preload()
    begin = time.monotonic()
    result = project.command(*RUN)
    assert result.returncode == 0, result.stderr[-3000:]
    return Reference(project=project, seconds=time.monotonic() - begin)


@pytest.fixture(scope="session")
def figures() -> Iterator[dict[str, dict[str, Any]]]:
    """What the scenarios have counted, by name; written down at the end."""
    figures: dict[str, dict[str, Any]] = {}
    yield figures
    if figures and SHARE >= 1:
        write_figures(figures, seed=SEED)
