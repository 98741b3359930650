"""Accidents at random moments of runs that sample ahead of training."""

import random
import shutil
import signal
import time
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from crash_projects import Command, TorchrunCommand
from lagging import RUN, assert_none_left, make_lagged, results, sleep_in_units
from safetensors.torch import load_file

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(3600)]

NUM_KILLS = 10
# A run is killed at most so often before it may go on to its end.
KILLS_PER_RUN = 3
LONGEST = 600


@pytest.fixture(scope="module")
def seconds_and_results(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[float, dict[str, Any]]:
    """How long a run takes that nothing interrupts, and what it leaves."""
    project = make_lagged(tmp_path_factory.mktemp("lagged") / "project")
    begin = time.monotonic()
    result = project.command(*RUN)
    assert result.returncode == 0, result.stderr[-3000:]
    return time.monotonic() - begin, results(project)


def test_kill_9_at_random_moments_of_runs_that_sample_ahead(
    seconds_and_results: tuple[float, dict[str, Any]],
    rng: random.Random,
    share: float,
    figures: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Units take random times, other ones in every run."""
    seconds, expected = seconds_and_results
    num_wanted, num_kills, num_runs = max(1, round(NUM_KILLS * share)), 0, 0
    while num_kills < num_wanted:
        num_runs += 1
        project = make_lagged(tmp_path / str(num_runs))
        for _ in range(min(KILLS_PER_RUN, num_wanted - num_kills)):
            moment = rng.uniform(0, seconds)
            with monkeypatch.context() as patch:
                sleep_in_units(patch, rng.random())
                command = Command(project, *RUN)
            if command.wait(moment) is not None:
                break  # it was done before
            command.kill()
            num_kills += 1
            print(f"run {num_runs}: killed after {moment:.2f} s")
            assert_none_left(project)
        with monkeypatch.context() as patch:
            sleep_in_units(patch, rng.random())
            status = Command(project, *RUN).wait(LONGEST)
        assert status == 0, (project.path / "command.stderr").read_text()[-3000:]
        assert_none_left(project)
        assert results(project) == expected
        shutil.rmtree(project.path)
    figures["kill -9, sampling ahead"] = {
        "kills": num_kills,
        "runs": num_runs,
        "tables and weights identical to the byte": num_runs,
        "processes left": 0,
    }


@pytest.mark.parametrize(
    ("number", "unit"), list(product((signal.SIGINT, signal.SIGTERM), (1, 2, 4)))
)
def test_a_run_that_is_stopped_while_a_unit_is_sampled_leaves_no_process(
    seconds_and_results: tuple[float, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    unit: int,
) -> None:
    """The first unit is waited for; the others are sampled beside updates."""
    project = make_lagged(tmp_path / "project")
    with monkeypatch.context() as patch:
        sleep_in_units(patch, unit, signal_in_unit=(number, unit))
        result = project.command(*RUN)
    assert result.returncode == 130, result.stderr[-3000:]
    assert "Continue with the same command" in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert_none_left(project)
    assert project.command(*RUN).returncode == 0
    assert results(project) == seconds_and_results[1]


def test_two_processes_that_train_together_sample_ahead(
    seconds_and_results: tuple[float, dict[str, Any]], rng: random.Random, tmp_path: Path
) -> None:
    """They leave the weights of one process but for rounding; killed, they go on to the byte."""
    whole, killed = (make_lagged(tmp_path / name) for name in ("whole", "killed"))
    begin = time.monotonic()
    command = TorchrunCommand(whole, *RUN)
    assert command.wait(LONGEST) == 0, command.log.read_text()[-3000:]
    seconds = time.monotonic() - begin
    expected = results(whole)
    alone = {name: value for name, value in seconds_and_results[1].items() if "models" in name}
    assert alone.keys() == {name for name in expected if "models" in name}
    for name, content in alone.items():
        one = tmp_path / "alone.safetensors"
        one.write_bytes(content)
        of_two = load_file(whole.data / name)
        for key, tensor in load_file(one).items():
            torch.testing.assert_close(of_two[key], tensor, rtol=1e-4, atol=1e-5, msg=name)
    command = TorchrunCommand(killed, *RUN)
    if command.wait(rng.uniform(0.3, 0.9) * seconds) is None:
        command.kill_one(rng.randrange(3))
    assert_none_left(killed)
    command = TorchrunCommand(killed, *RUN)
    assert command.wait(LONGEST) == 0, command.log.read_text()[-3000:]
    assert results(killed) == expected
    assert_none_left(killed)
