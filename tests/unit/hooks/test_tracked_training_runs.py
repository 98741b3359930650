"""Each training run is an MLflow run of its own, which ends by itself."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from forks import empty_tracking_store
from helpers import PROJECT
from kedro.pipeline import Node, Pipeline
from mlflow.entities import Run
from tracking_stores import sqlite_store

from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.hooks.tracked_facts import training_run_parameters
from pmd_pipeline.hooks.tracked_training_runs import TrackedTrainingRuns
from pmd_pipeline.tracking.runs import TrackedRuns
from pmd_pipeline.tracking.store import TrackingStore

SYNC = "kedro mlflow-sync"


def experiment_with(
    *, of_pmd_mean: dict[str, Any] | None = None, **training: Any
) -> ExperimentConfig:
    parameters: dict[str, Any] = {}
    for path in sorted((PROJECT / "conf" / "base").glob("parameters*.yml")):
        parameters |= yaml.safe_load(path.read_text()) or {}
    parameters["training"] |= training
    parameters["algorithms"]["pmd_mean"] |= of_pmd_mean or {}
    return parse_parameters(parameters)


class Session:
    """A session on two training seeds of one algorithm, whose nodes are called by hand."""

    def __init__(self, store: TrackingStore, folder: Path, *seeds: int) -> None:
        self.nodes = {
            f"{name} {seed}": Node(
                lambda x: x,
                inputs=f"pmd_mean.seed_{seed}.{source}",
                outputs=f"pmd_mean.seed_{seed}.{name}",
                name=name,
                namespace=f"pmd_mean.seed_{seed}",
                tags=[tag],
            )
            for seed in seeds
            for source, name, tag in (
                ("prompts", "policy", "training"),
                ("policy", "scores", "evaluation"),
            )
        }
        self._store = store
        self._runs = TrackedRuns(folder, "tests", store, lambda: store)
        experiment = experiment_with(algorithms=["pmd_mean"], seeds=list(seeds))
        known = store.client.search_runs([store.experiment_id], "attributes.run_name = 'parent'")
        self.parent = self._runs.open("parent", {}, known[0].info.run_id if known else None)
        tags = {"mlflow.user": "me"}
        self.training = TrackedTrainingRuns(self._runs, self.parent, experiment, tags)

    def expect(self, *done: str, former: dict[str, str] | None = None) -> None:
        names = {self.nodes[name].name for name in done}
        self.training.expect(Pipeline(list(self.nodes.values())), names, former or {})

    def do(self, name: str) -> None:
        node = self.nodes[name]
        self.training.begin_node(node)
        self.training.note_saved(node.outputs[0], SimpleNamespace(is_last=True), node)

    def end(self, status: str, *, others: str) -> dict[str, Run]:
        """End it and return the child runs by name."""
        self.training.end(status, others=others)
        assert self._runs.close(SYNC) is None
        found = self._store.client.search_runs([self._store.experiment_id])
        children = [run for run in found if run.info.run_id != self.parent]
        return {run.info.run_name.partition(" on ")[0]: run for run in children}


@pytest.fixture
def store(tmp_path: Path) -> TrackingStore:
    shutil.copy(empty_tracking_store(), tmp_path / "mlflow.db")
    return sqlite_store(tmp_path / "mlflow.db")


def test_each_ends_as_what_became_of_it(store: TrackingStore, tmp_path: Path) -> None:
    session = Session(store, tmp_path, 0, 1, 2)
    session.expect()
    for name in ("policy 0", "policy 1", "scores 0"):
        session.do(name)
    session.training.begin_node(session.nodes["scores 1"])  # and it fails
    runs = session.end("FAILED", others="KILLED")
    assert {name: run.info.status for name, run in runs.items()} == {
        "pmd_mean, seed 0": "FINISHED",
        "pmd_mean, seed 1": "FAILED",
    }, "what has not begun has no run"
    tags = runs["pmd_mean, seed 1"].data.tags
    assert tags["mlflow.user"] == "me"
    assert (tags["algorithm"], tags["training_seed"]) == ("pmd_mean", "1")
    params = runs["pmd_mean, seed 1"].data.params
    assert (params["algorithm"], params["training_seed"]) == ("pmd_mean", "1")


def test_a_seed_that_is_added_later_joins_the_same_parent_and_the_others_stay(
    store: TrackingStore, tmp_path: Path
) -> None:
    session = Session(store, tmp_path, 0)
    session.expect()
    session.do("policy 0")
    session.do("scores 0")
    before = session.end("FINISHED", others="FINISHED")["pmd_mean, seed 0"]

    again = Session(store, tmp_path, 0, 1)
    again.expect("policy 0", "scores 0", former=session.training.ids)
    assert again.training.trained == ["pmd_mean.seed_1"]
    again.training.log_initial({"eval/addition/avg_at_4": 0.25})
    again.do("policy 1")
    runs = again.end("KILLED", others="KILLED")
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {session.parent}
    after = runs["pmd_mean, seed 0"]
    assert (after.info.status, after.info.end_time) == ("FINISHED", before.info.end_time)
    assert after.data.metrics == {}
    assert runs["pmd_mean, seed 1"].info.status == "KILLED"
    assert runs["pmd_mean, seed 1"].data.metrics == {"eval/addition/avg_at_4": 0.25}

    resumed = Session(store, tmp_path, 0, 1)
    resumed.expect("policy 0", "scores 0", "policy 1", former=again.training.ids)
    assert resumed.training.trained == []
    resumed.training.log_initial({"eval/addition/avg_at_4": 0.75})
    resumed.do("scores 1")
    runs = resumed.end("FINISHED", others="FINISHED")
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert len(runs) == 2, "those of the first sessions"
    added = runs["pmd_mean, seed 1"].info.run_id
    assert added == resumed.training.ids["pmd_mean.seed_1"]
    history = store.client.get_metric_history(added, "eval/addition/avg_at_4")
    assert [metric.value for metric in history] == [0.25], "it begins once"


def test_parameters_have_one_name_for_all_algorithms_and_the_value_that_holds() -> None:
    experiment = experiment_with(of_pmd_mean={"learning_rate": 0.25, "tau": 0.5})
    parameters = training_run_parameters(TrainingRun("pmd_mean", 1), experiment)
    others = training_run_parameters(TrainingRun("grpo", 0), experiment)
    assert (parameters["algorithm"], parameters["training_seed"]) == ("pmd_mean", 1)
    assert parameters["training.optimizer.learning_rate"] == 0.25
    assert others["training.optimizer.learning_rate"] != 0.25
    assert "algorithm.learning_rate" not in parameters
    assert parameters["algorithm.tau"] == 0.5
    assert not [name for name in parameters if name.startswith(("algorithms.", "theory."))]
    assert "training.seeds" not in parameters
