"""Accidents at random moments; each run is continued by one command until it is done."""

import errno
import json
import os
import random
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import mlflow
import pytest
from crash_projects import RUN, Command, Reference, TorchrunCommand, make_crash_project, outcome
from forked_server import free_port
from forks import empty_tracking_store
from tracking_server import TrackingServer

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(3600)]

NUM_KILLS = 30
NUM_TORCHRUN_KILLS = 10
NUM_FLIPS = 100
NUM_FULL_DISKS = 10
NUM_DEAD_SERVERS = 5
# A run is killed at most so often before it may go on to its end.
KILLS_PER_RUN = 3
LONGEST = 600

Figures = dict[str, dict[str, Any]]


def test_kill_9_at_random_moments_of_runs_in_one_process(
    reference: Reference, rng: random.Random, share: float, figures: Figures, tmp_path: Path
) -> None:
    num_kills, moments = round(NUM_KILLS * share), []
    num_runs = 0
    while len(moments) < num_kills:
        num_runs += 1
        project = make_crash_project(tmp_path / str(num_runs))
        for _ in range(min(KILLS_PER_RUN, num_kills - len(moments))):
            moment = rng.uniform(0, reference.seconds)
            command = Command(project, *RUN)
            if command.wait(moment) is not None:
                break  # it was done before
            command.kill()
            moments.append(moment)
            print(f"run {num_runs}: killed after {moment:.2f} s")
        status = Command(project, *RUN).wait(LONGEST)
        assert status == 0, (project.path / "command.stderr").read_text()[-3000:]
        assert outcome(project) == outcome(reference.project)
        shutil.rmtree(project.path)
    figures["kill -9, one process"] = {
        "kills": len(moments),
        "runs": num_runs,
        "table and weights identical to the byte": num_runs,
    }


def test_kill_9_at_random_moments_of_two_processes_that_train_together(
    reference: Reference, rng: random.Random, share: float, figures: Figures, tmp_path: Path
) -> None:
    """All at once, as when the power fails, or one of them."""
    alone = make_crash_project(tmp_path / "alone")
    arguments = [*RUN, "--to-outputs", "comparison"]
    command = TorchrunCommand(alone, *arguments)
    status, seconds = None, 0.0
    while status is None:
        status = command.wait(0.5)
        seconds += 0.5
    assert status == 0, command.log.read_text()[-3000:]
    num_kills, kills = max(1, round(NUM_TORCHRUN_KILLS * share)), {"all": 0, "one": 0}
    num_runs = 0
    while sum(kills.values()) < num_kills:
        num_runs += 1
        project = make_crash_project(tmp_path / str(num_runs))
        for _ in range(min(2, num_kills - sum(kills.values()))):
            moment, which = rng.uniform(0, seconds), rng.choice(["all", "one"])
            command = TorchrunCommand(project, *arguments)
            if command.wait(moment) is not None:
                break
            if which == "all":
                command.kill()
            else:
                command.kill_one(rng.randrange(3))
            kills[which] += 1
            print(f"run {num_runs}: {which} killed after {moment:.2f} s")
        command = TorchrunCommand(project, *arguments)
        assert command.wait(LONGEST) == 0, command.log.read_text()[-3000:]
        assert outcome(project) == outcome(alone)
        shutil.rmtree(project.path)
    figures["kill -9, two training processes"] = {
        "kills of all": kills["all"],
        "kills of one": kills["one"],
        "runs": num_runs,
        "table and weights identical to the byte": num_runs,
    }


KINDS = {
    "weights and moments": ["06_models/**/*.safetensors"],
    "manifests": ["06_models/**/manifest.json"],
    "tables": ["0[1-57]*/**/*.parquet", "08_reporting/**/*.csv"],
    "run state": ["run_state.json"],
    "report and figures": ["08_reporting/**/*.html", "08_reporting/**/*.svg"],
}


def test_flipped_bytes_are_noticed(
    reference: Reference, rng: random.Random, share: float, figures: Figures, tmp_path: Path
) -> None:
    """By the run that goes on, weights that it does not load by `kedro verify`."""
    project = make_crash_project(tmp_path / "project")
    shutil.copytree(reference.project.data, project.data)
    noticed = dict.fromkeys(KINDS, 0)
    for index in range(round(NUM_FLIPS * share)):
        kind = list(KINDS)[index % len(KINDS)]
        found = {f for pattern in KINDS[kind] for f in project.data.glob(pattern)}
        # A versioned table is a file in a folder of the same name.
        path = rng.choice(sorted(f for f in found if f.is_file()))
        original = path.read_bytes()
        content = bytearray(original)
        position, bit = rng.randrange(len(content)), rng.randrange(8)
        content[position] ^= 1 << bit
        path.write_bytes(content)
        place = f"{path.relative_to(project.data)}, byte {position}, bit {bit}"
        arguments = ("verify", "--env", "tiny") if kind == "weights and moments" else RUN
        command = Command(project, *arguments)
        status = command.wait(LONGEST)
        assert status not in (0, None), f"{place}: not noticed"
        said = (project.path / "command.stderr").read_text()
        assert path.name in said, f"{place}: not named in {said[-1000:]}"
        path.write_bytes(original)
        noticed[kind] += 1
    assert Command(project, *RUN).wait(LONGEST) == 0
    assert outcome(project) == outcome(reference.project)
    figures["a flipped bit in a file"] = {**noticed, "noticed": sum(noticed.values())}


def test_a_disk_that_fills_up_at_random_writes(
    reference: Reference, rng: random.Random, share: float, figures: Figures, tmp_path: Path
) -> None:
    """From one flush on, all fail; what was written before is kept."""
    counted = tmp_path / "count.json"
    project = make_crash_project(tmp_path / "counted")
    assert project.run(before=_filling_up_after(None, counted), **_ONE_COMMAND) == 0
    num_writes = json.loads(counted.read_text())
    num_cases = max(1, round(NUM_FULL_DISKS * share))
    for case in range(num_cases):
        project = make_crash_project(tmp_path / str(case))
        write = rng.randrange(num_writes)
        status = project.run(before=_filling_up_after(write, counted), **_ONE_COMMAND)
        print(f"full at write {write} of {num_writes}")
        assert status == 1
        assert project.run(**_ONE_COMMAND) == 0
        assert outcome(project) == outcome(reference.project)
        shutil.rmtree(project.path)
    figures["a disk that fills up"] = {
        "cases": num_cases,
        "writes of a run": num_writes,
        "table and weights identical to the byte": num_cases,
    }


def test_a_tracking_server_that_dies_at_random_moments(
    reference: Reference, rng: random.Random, share: float, figures: Figures, tmp_path: Path
) -> None:
    """The run goes on; what the server has missed is sent once it is back."""
    shutil.copy(empty_tracking_store(), tmp_path / "mlflow.db")
    server = TrackingServer(tmp_path, free_port())
    num_cases, num_refused = max(1, round(NUM_DEAD_SERVERS * share)), 0
    for case in range(num_cases):
        project = make_crash_project(tmp_path / str(case))
        (project.path / "conf" / "tiny" / "mlflow.yml").write_text(
            f"server: {{mlflow_tracking_uri: '{server.address}'}}\n"
            f"tracking: {{experiment: {{name: case_{case}}}}}\n"
        )
        server.start()
        moment = rng.uniform(0, reference.seconds)
        print(f"the server dies after {moment:.2f} s")
        command = Command(project, *RUN)
        status = command.wait(moment)
        server.kill()
        if status is None:
            status = command.wait(LONGEST)
        if status != 0:  # it was gone before anything began
            assert "Nothing has begun" in (project.path / "command.stderr").read_text()
            num_refused += 1
            server.start()
            assert Command(project, *RUN).wait(LONGEST) == 0
            server.kill()
        assert outcome(project) == outcome(reference.project)
        server.start()
        assert Command(project, "mlflow-sync", "--env", "tiny").wait(LONGEST) == 0
        server.kill()
        client = mlflow.MlflowClient(server.database)
        experiment = client.get_experiment_by_name(f"case_{case}")
        for label, seed in product(("pmd_mean", "on_policy_gradient"), (0, 1)):
            chosen = f"tags.algorithm = '{label}' and tags.training_seed = '{seed}'"
            [run] = client.search_runs([experiment.experiment_id], chosen)
            assert run.info.status == "FINISHED"
            history = client.get_metric_history(run.info.run_id, "sampling/mean_reward")
            assert sorted(metric.step for metric in history) == [1, 2, 3, 4]
        shutil.rmtree(project.path)
    figures["a tracking server that dies"] = {
        "cases": num_cases,
        "before the run began, which said so": num_refused,
        "table and weights identical to the byte": num_cases,
        "rounds lost": 0,
    }


_ONE_COMMAND: dict[str, Any] = {"only_missing_outputs": True}


def _filling_up_after(number: int | None, counted: Path) -> Any:
    """Return an accident: the disk is full from this flush on; None: count them."""

    def arrange() -> None:

        sync, count = os.fsync, 0

        def fails(descriptor: int) -> None:
            nonlocal count
            if count == number or (number is not None and count > number):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            count += 1
            if number is None:
                counted.write_text(json.dumps(count))
            sync(descriptor)

        os.fsync = fails

    return arrange
