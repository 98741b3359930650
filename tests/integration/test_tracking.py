"""What MLflow knows of a run: who trained what, how it ended, and which policies are the best."""

import hashlib
import json
import os
import signal
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.entities import Run

from pmd_pipeline.policies.manifest import read_manifest
from pmd_pipeline.tracking.store import TrackingStore
from pmd_pipeline.training import update


def store_of(client: mlflow.MlflowClient) -> TrackingStore:
    return TrackingStore(client=client, experiment_id="")


def statuses(project: Any) -> dict[str, str]:
    ids = json.loads((project.data / "run_state.json").read_text())["mlflow_runs"]
    client = mlflow.MlflowClient(f"sqlite:///{project.path / 'mlflow.db'}")
    # A training run that has not begun has no run.
    known = {label: store_of(client).find_run(run) for label, run in ids.items()}
    return {label: client.get_run(run).info.status for label, run in known.items() if run}


@pytest.fixture(scope="module")
def client(finished: Any) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{finished.path / 'mlflow.db'}")


@pytest.fixture(scope="module")
def tracked_runs(client: mlflow.MlflowClient) -> dict[str, Run]:
    """The runs of the finished project by name."""
    experiment = client.get_experiment_by_name("pmd_pipeline")
    assert experiment is not None
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


@pytest.fixture(scope="module")
def by_seed(finished: Any) -> pd.DataFrame:
    return pd.read_csv(finished.data / "08_reporting" / "comparison_by_seed.csv")


@pytest.mark.slow
def test_each_training_run_is_a_run_that_begins_with_the_initial_policy(
    tracked_runs: dict[str, Run], by_seed: pd.DataFrame, client: mlflow.MlflowClient
) -> None:
    parent = tracked_runs.pop("tiny, seed 0 on addition (embedded): all stages")
    assert set(tracked_runs) == {
        "pmd_mean, seed 0 on addition (embedded)",
        "on_policy_gradient, seed 0 on addition (embedded)",
    }
    for run in tracked_runs.values():
        # Its own time, and the same person and code.
        assert parent.info.start_time < run.info.start_time < run.info.end_time
        assert run.info.end_time < parent.info.end_time
        for tag in ("mlflow.user", "mlflow.source.name", "mlflow.source.git.commit"):
            assert run.data.tags[tag] == parent.data.tags[tag]
        assert "None" not in run.data.params.values()
        assert run.data.tags["mlflow.note.content"].startswith("- addition: avg@2 ")
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        label = run.data.params["algorithm"]
        history = client.get_metric_history(run.info.run_id, "eval/addition/avg_at_2")
        own = by_seed[(by_seed["algorithm"] == label) & (by_seed["metric"] == "avg_at_k")]
        expected = own.set_index("round")["value"].to_dict()
        assert set(expected) == {0, 2, 4}
        assert {m.step: m.value for m in history} == pytest.approx(expected)
        assert len(history) == 3, "registering the best policy repeats none"
        assert {entry.dataset.name for entry in run.inputs.dataset_inputs} == {
            "train_problems",
            "addition",
        }
    final = parent.data.metrics
    low, mean, high = (
        final[f"final/addition/avg_at_2{end}/pmd_mean"] for end in ("_ci_low", "", "_ci_high")
    )
    assert low <= mean <= high
    assert "one training seed" in parent.data.tags["intervals"]


@pytest.mark.slow
def test_the_best_policies_are_models_that_lie_where_they_lie(
    finished: Any, by_seed: pd.DataFrame, client: mlflow.MlflowClient
) -> None:
    experiment = client.get_experiment_by_name("pmd_pipeline")
    assert experiment is not None
    models = client.search_logged_models([experiment.experiment_id])
    assert [model.tags["algorithm"] for model in models] == ["pmd_mean", "on_policy_gradient"]
    for model in models:
        own = by_seed[(by_seed["algorithm"] == model.tags["algorithm"]) & (by_seed["round"] > 0)]
        scores = own[own["metric"] == "avg_at_k"].set_index("round")["value"]
        best = scores[scores == scores.max()].index[0]
        assert (model.tags["round"], model.tags["best"]) == (str(best), "true")
        measured = {metric.key: metric for metric in model.metrics or []}
        found = measured["eval/addition/avg_at_2"]
        assert (found.value, found.step) == (pytest.approx(scores.max()), best)
        run = client.get_run(model.source_run_id or "")
        assert (found.dataset_name, found.dataset_digest) in {
            (entry.dataset.name, entry.dataset.digest) for entry in run.inputs.dataset_inputs
        }
        assert "optimistic" in model.tags["mlflow.note.content"]
        files = read_manifest(finished.path / model.tags["policy_folder"]).sha256
        lines = [f"{name} {files[name]}\n" for name in sorted(files) if name.startswith("policy/")]
        assert model.tags["sha256"] == hashlib.sha256("".join(lines).encode()).hexdigest()
        assert model.params == run.data.params
    assert not list((finished.path / "mlruns").rglob("*.safetensors"))


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
