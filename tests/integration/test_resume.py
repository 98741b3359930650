"""Killed at any moment, a resumed run ends with the very table of an uninterrupted one."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from accidents import at_save_of, at_state
from tracking_stores import tracked_run

from pmd_pipeline.datasets import rounds
from pmd_pipeline.datasets.atomic import AtomicParquetDataset

# Reports and figures take most of so small a run's time and decide nothing here.
COMPARED = ["comparison"]

KILLED = {
    "while the problems are written": at_save_of("train_problems"),
    "in the first round of training": at_state(3),
    "between two rounds of a phase": at_state(6),
    "while an evaluation is written": at_save_of("phase_1/eval_completions"),
}


@pytest.mark.slow
@pytest.mark.parametrize("moment", KILLED)
def test_a_killed_run_resumes_to_the_byte(project: Any, finished: Any, moment: str) -> None:
    assert project.run(before=KILLED[moment], to_outputs=COMPARED) == -signal.SIGKILL
    assert project.run(only_missing_outputs=True, to_outputs=COMPARED) == 0
    assert project.comparison == finished.comparison


@pytest.mark.slow
def test_a_run_killed_twice_resumes_to_the_byte(project: Any, finished: Any) -> None:
    assert project.run(before=at_state(4), to_outputs=COMPARED) == -signal.SIGKILL
    assert (
        project.run(before=at_state(3), only_missing_outputs=True, to_outputs=COMPARED)
        == -signal.SIGKILL
    )
    assert project.run(only_missing_outputs=True, to_outputs=COMPARED) == 0
    assert project.comparison == finished.comparison


@pytest.mark.slow
def test_a_training_run_has_its_bytes_whatever_is_trained_beside_it(
    project: Any, finished: Any
) -> None:
    """Killed in its second round, before another training seed, in another order."""
    params = {"training": {"algorithms": "pmd_mean", "seeds": "5+0"}}
    options = {"params": params, "to_outputs": COMPARED, "only_missing_outputs": True}
    assert project.run(before=at_state(6), **options) == -signal.SIGKILL
    assert project.run(**options) == 0

    def results(data: Path, seed: int) -> dict[str, bytes]:
        patterns = ("06_models/{}/**/*.safetensors", "07_model_output/{}/phase_*/rollouts/*",
                    "07_model_output/{}/phase_*/eval_completions.parquet")  # fmt: skip
        paths = [p for text in patterns for p in data.glob(text.format(f"pmd_mean/seed_{seed}"))]
        return {str(path.relative_to(data)): path.read_bytes() for path in paths}

    mine, others = results(project.data, 0), results(project.data, 5)
    assert mine == results(finished.data, 0)
    assert len(mine) == len(others) == 2 * 2 + 4 + 2
    for name, content in mine.items():
        if "rollouts" in name:
            assert others[name.replace("seed_0", "seed_5")] != content, name


@pytest.mark.slow
def test_at_most_one_round_is_repeated_and_the_mlflow_runs_continue(project: Any) -> None:
    killed_at = project.path / "sampled"

    def log_rounds() -> None:
        # Kedro gives every class of datasets a method of its own.
        for dataset in (rounds.RoundTablesDataset, rounds.RoundPartitionsDataset):
            save = dataset.save

            def saves(self: Any, data: Any, save: Callable[..., None] = save) -> None:
                with killed_at.open("a") as file:
                    file.write(f"{self} {next(iter(data))}\n")
                save(self, data)

            dataset.save = saves

    def killed() -> None:
        log_rounds()
        at_state(6)()

    assert project.run(before=killed, to_outputs=COMPARED) == -signal.SIGKILL
    before = json.loads((project.data / "run_state.json").read_text())["mlflow_runs"]
    assert project.run(before=log_rounds, only_missing_outputs=True, to_outputs=COMPARED) == 0
    lines = killed_at.read_text().splitlines()
    # One round was sampled, but its state not saved: its two tables are written twice.
    assert len(lines) - len(set(lines)) == 2
    after = json.loads((project.data / "run_state.json").read_text())["mlflow_runs"]
    client = mlflow.MlflowClient(f"sqlite:///{project.path / 'mlflow.db'}")
    runs = {name: tracked_run(client, run) for name, run in after.items()}
    ids = {name: run.info.run_id for name, run in runs.items()}
    assert ids == {name: tracked_run(client, run).info.run_id for name, run in before.items()}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    history = client.get_metric_history(ids["pmd_mean.seed_0"], "sampling/mean_reward")
    assert {metric.step for metric in history} == {1, 2, 3, 4}


def test_changed_parameters_are_refused_by_name_and_change_nothing(
    project: Any, finished: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert project.run(before=at_state(4), to_outputs=COMPARED) == -signal.SIGKILL
    state = (project.data / "run_state.json").read_text()
    options = {"only_missing_outputs": True, "to_outputs": COMPARED}
    begun = {"algorithms": {"on_policy_gradient": {"learning_rate": 0.1}}}
    assert project.run(**options, params=begun) == 1
    message = capfd.readouterr().err
    assert "algorithms.on_policy_gradient.learning_rate: null -> 0.1" in message
    assert "Set them back to go on" in message
    assert (project.data / "run_state.json").read_text() == state


@pytest.mark.slow
def test_a_run_goes_on_with_less_memory_longer_and_with_one_algorithm_more(project: Any) -> None:
    """What is done stays; MLflow, which knows the former values, is told of the new ones."""
    training = {"num_phases": 1, "algorithms": "pmd_mean", "optimizer": {"decay": "constant"}}
    assert project.run(to_outputs=COMPARED, params={"training": training}) == 0
    states = project.data / "06_models"
    before = {path: path.stat().st_mtime_ns for path in states.rglob("*.safetensors")}
    changed = {"num_phases": 2, "algorithms": "pmd_mean+gspo", "micro_batch_tokens": 64}
    options = {"only_missing_outputs": True, "to_outputs": COMPARED}
    assert project.run(**options, params={"training": training | changed}) == 0
    after = {path: path.stat().st_mtime_ns for path in states.rglob("*.safetensors")}
    assert before.items() <= after.items()
    table = pd.read_csv(project.data / "08_reporting" / "comparison.csv")
    assert set(table["algorithm"]) == {"pmd_mean", "gspo"}
    assert set(table["round"]) == {0, 2, 4}
    runs = json.loads((project.data / "run_state.json").read_text())["mlflow_runs"]
    client = mlflow.MlflowClient(f"sqlite:///{project.path / 'mlflow.db'}")
    assert tracked_run(client, runs[""]).data.tags["resumed.training.micro_batch_tokens"] == "64"
    assert tracked_run(client, runs["gspo.seed_0"]).info.status == "FINISHED"
    pmd_mean = tracked_run(client, runs["pmd_mean.seed_0"]).info.run_id
    history = client.get_metric_history(pmd_mean, "sampling/mean_reward")
    assert {metric.step for metric in history} == {1, 2, 3, 4}


def test_a_partial_run_on_results_of_other_parameters_is_refused(
    project: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert project.run(pipeline_names=["policy_initialisation", "data_preparation"]) == 0
    assert project.run(pipeline_names=["rollout_generation"], params={"seed": 1}) == 1
    assert "seed: 0 -> 1" in capfd.readouterr().err
    assert project.run(pipeline_names=["rollout_generation"]) == 0


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_nothing_else_is_lost(
    project: Any, finished: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert project.run(before=at_state(6), to_outputs=COMPARED) == -signal.SIGKILL
    weights = next(
        (project.data / "06_models").glob("*/seed_*/phase_*/round_*/policy/*.safetensors")
    )
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    assert project.run(only_missing_outputs=True) == 1
    assert "model.safetensors is damaged" in capfd.readouterr().err
    # The message's remedy: delete the folder; its rounds are trained again.
    shutil.rmtree(weights.parents[1])
    assert project.run(only_missing_outputs=True, to_outputs=COMPARED) == 0
    assert project.comparison == finished.comparison


def test_the_same_seed_gives_the_same_table_and_another_does_not(
    project: Any, finished: Any
) -> None:
    assert project.run(to_outputs=COMPARED) == 0
    assert project.comparison == finished.comparison
    assert project.run(overwrite=True, params={"seed": 1}, to_outputs=COMPARED) == 0
    assert project.comparison != finished.comparison


def test_a_table_is_saved_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = AtomicParquetDataset(filepath=str(tmp_path / "t.parquet"))
    dataset.save(pd.DataFrame({"a": [1]}))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Exception, match="No space left on device"):
        dataset.save(pd.DataFrame({"a": [2]}))
    assert dataset.load()["a"].tolist() == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]
