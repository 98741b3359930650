"""A run that samples ahead of training, killed and continued to the byte.

More such accidents: tests/crash/test_lag_crash.py.
"""

import signal
from pathlib import Path
from typing import Any

import pytest
from lagging import RUN, assert_none_left, make_lagged, results, sample_first, sleep_in_units

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run leaves that nothing interrupts, in one process."""
    project = make_lagged(tmp_path_factory.mktemp("lagged") / "project")
    with pytest.MonkeyPatch.context() as patch:
        sample_first(patch)
        result = project.command(*RUN)
    assert result.returncode == 0, result.stderr[-3000:]
    return results(project)


def test_a_run_killed_while_it_samples_ahead_goes_on_to_the_byte(
    expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed when round 3 is being sampled beside round 2, and continued in one process."""
    project = make_lagged(tmp_path / "project")
    with monkeypatch.context() as patch:
        sleep_in_units(patch, "killed", signal_in_unit=(signal.SIGKILL, 3))
        assert project.command(*RUN).returncode == -signal.SIGKILL
    assert_none_left(project)
    with monkeypatch.context() as patch:
        sample_first(patch)
        result = project.command(*RUN)
    assert result.returncode == 0, result.stderr[-3000:]
    assert results(project) == expected
