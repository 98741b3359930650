"""A study by workers on a Ray cluster, one of them killed in a trial."""

import os
import re
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
from forks import begin_forked, redirect, wait
from kedro.framework.startup import bootstrap_project
from ray_clusters import RayCluster
from study_helpers import make_study_project, query

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.mark.timeout(600)  # it starts three programs, and shares the machine
def test_four_trials_by_two_workers_one_of_them_killed(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    """Its trial is done again, another worker takes its place, and the driver reports."""
    storage = {"kind": "journal", "heartbeat_seconds": 1, "grace_seconds": 3}
    study = {"storage": storage, "num_trials": 4}
    path = make_study_project(tmp_path / "project", studies={"small": study})
    folder = path / "data" / "small" / "studies" / "small"

    def drive() -> None:
        redirect("stdout", tmp_path / "printed")
        redirect("stderr", tmp_path / "told")
        os.chdir(path)
        os.environ["RAY_ADDRESS"] = ray_cluster.address
        from pmd_pipeline.cli import cli

        bootstrap_project(path)
        options = ["--env", "small", "--workers", "ray", "--num-workers", "2"]
        cli(["study", "run", "small", *options])

    def told() -> str:
        return (tmp_path / "told").read_text()

    driver = begin_forked(drive)
    begun: list[Path] = []
    while not begun:
        assert os.waitpid(driver, os.WNOHANG) == (0, 0), told()[-3000:]
        begun = [log for log in folder.glob("workers/*.log") if " begins." in log.read_text()]
        time.sleep(0.05)
    process = re.match(r"--- process (\d+) on", begun[0].read_text())
    assert process is not None
    os.kill(int(process[1]), signal.SIGKILL)
    assert wait(driver) == 0, told()[-3000:]

    trials = pd.read_csv(folder / "report" / "study_trials.csv")
    lost = trials[trials["state"] == "failed"].iloc[0]
    assert list(trials["state"]).count("finished") == len(trials) - 1 == 4
    assert lost["error"] == "its worker died"
    searched = ["algorithm.tau", "training.group_size"]
    assert trials[searched].eq(lost[searched]).all(axis=1).sum() == 2  # done again
    statuses = dict(query(path / "mlflow.db", "select name, status from runs"))
    assert statuses.pop(f"trial {lost['trial']}") == "FAILED"
    assert set(statuses.values()) == {"FINISHED"}

    number = begun[0].stem.removeprefix("worker_")
    assert re.search(rf"Worker {number} on [\d.]+ is lost: SIGKILL ended its process\.", told())
    assert re.search(rf"Worker {number} on [\d.]+ starts in the place of a lost one \(1 of", told())
    assert begun[0].read_text().count("--- process") == 2
    assert "Report        data/small/studies/small/report" in (tmp_path / "printed").read_text()
    assert not list(folder.glob(".driver_*"))
