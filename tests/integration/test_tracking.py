"""MLflow runs end as what they were."""

import json
import os
import signal
from typing import Any

import mlflow
import pytest

from pmd_pipeline.training import update


def statuses(project: Any) -> dict[str, str]:
    ids = json.loads((project.data / "run_state.json").read_text())["mlflow_runs"]
    client = mlflow.MlflowClient(f"sqlite:///{project.path / 'mlflow.db'}")
    return {label: client.get_run(run_id).info.status for label, run_id in ids.items()}


@pytest.mark.slow
def test_a_failing_algorithm_has_failed_and_the_others_were_killed(
    project: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    def fails_for_pmd_mean() -> None:
        shares = update.mini_batch_loss

        def loss(config: Any, inputs: Any, denominators: Any) -> Any:
            if config.kind == "pmd_mean":
                inputs.log_probs.data[0, 0] = float("nan")
            return shares(config, inputs, denominators)

        update.mini_batch_loss = loss

    assert project.run(before=fails_for_pmd_mean) == 1
    errors = capfd.readouterr().err
    assert "pmd_mean, round 1, mini-batch 1: the loss is nan" in errors
    assert "train/" in errors, "the offending rollouts are named"
    assert statuses(project) == {
        "": "FAILED",
        "pmd_mean.seed_0": "FAILED",
        "on_policy_gradient.seed_0": "KILLED",
    }


@pytest.mark.slow
def test_an_interrupted_run_was_killed_and_says_how_to_go_on(project: Any) -> None:
    import subprocess
    import sys
    import time

    process = subprocess.Popen(
        [sys.executable, "-m", "kedro", "run", "--env", "tiny"],
        cwd=project.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        models = project.data / "06_models"
        while not list(models.glob("*/seed_0/phase_1/round_00001/manifest.json")):
            assert time.monotonic() < deadline, "no round was finished in time"
            assert process.poll() is None, "the run has ended by itself"
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Continue with the same command and --only-missing-outputs" in output
    assert set(statuses(project).values()) == {"KILLED"}
