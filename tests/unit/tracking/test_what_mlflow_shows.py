"""Metrics by group, tables that compare, rollouts as traces, the machine's load."""

import json
import shutil
import threading
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from forks import empty_tracking_store
from mlflow.tracking import MlflowClient
from tracking_stores import sqlite_store

from pmd_pipeline.hooks.tracked_rollouts import sampled_rollouts
from pmd_pipeline.tracking.chart_views import chart_view
from pmd_pipeline.tracking.metrics import (
    evaluation_metrics,
    final_metrics,
    round_metric_name,
    round_metrics,
)
from pmd_pipeline.tracking.runs import TrackedRuns
from pmd_pipeline.tracking.sending import with_table
from pmd_pipeline.tracking.store import TrackingStore
from pmd_pipeline.tracking.system_metrics import SystemMetrics
from pmd_pipeline.training.round_metrics import RoundMetrics

SYNC = "kedro mlflow-sync"


@pytest.fixture
def store(tmp_path: Path) -> TrackingStore:
    shutil.copy(empty_tracking_store(), tmp_path / "mlflow.db")
    return sqlite_store(tmp_path / "mlflow.db")


def tracked(tmp_path: Path, store: TrackingStore) -> TrackedRuns:
    return TrackedRuns(tmp_path, "tests", store, lambda: store)


def comparison() -> pd.DataFrame:
    rows = [
        (label, "aime_24", metric, k, 3, 0.25, 0.125, 0.5)
        for label in ("pmd_mean", "grpo")
        for metric, k in (
            ("avg_at_k", 4),
            ("pass_at_k", 1),
            ("pass_at_k", 4),
            ("maj_at_k", 1),
            ("maj_at_k", 4),
            ("mean_response_tokens", 4),
        )
    ]
    names = ["algorithm", "eval_set", "metric", "k", "round", "value", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=names)


def test_every_metric_is_in_a_group_and_none_is_there_twice() -> None:
    columns = [field.name for field in fields(RoundMetrics) if field.name != "round"]
    columns += ["theory_slope", "reward_format"]
    table = pd.DataFrame(
        [{"algorithm": "grpo", "seed": 0, "round": 3, **dict.fromkeys(columns, 1)}]
    )
    metrics, step = round_metrics(table)
    assert (len(metrics), step) == (len(columns), 3)
    assert {name.partition("/")[0] for name in metrics} == {"update", "sampling", "time", "theory"}
    assert metrics.keys() >= {
        "update/kl",
        "sampling/mean_reward",
        "sampling/reward_format",
        "time/updating_tokens_per_second",
        "theory/slope",
    }
    one = comparison().query("algorithm == 'grpo'")
    assert list(evaluation_metrics(one)) == [
        "eval/aime_24/avg_at_4",
        "eval/aime_24/pass_at_4",
        "eval/aime_24/maj_at_4",
        "eval/aime_24/mean_response_tokens",
    ], "pass@1 and maj@1 are avg@4"


def test_the_names_are_legal_in_a_store_of_files_which_makes_folders_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient((tmp_path / "files").as_uri())
    run = client.create_run("0").info.run_id
    names = [round_metric_name(field.name) for field in fields(RoundMetrics)]
    names += evaluation_metrics(comparison().query("algorithm == 'grpo'"))
    names += [name for metrics, _ in final_metrics(comparison()) for name in metrics]
    for name in names:
        client.log_metric(run, name, 0.5)
    assert client.get_run(run).data.metrics.keys() == set(names)


def test_tables_are_listed_for_the_view_that_compares_runs(
    tmp_path: Path, store: TrackingStore
) -> None:
    runs = tracked(tmp_path, store)
    run = runs.open("run", {})
    for step in (1, 2, 1):
        runs.log_table(run, pd.DataFrame({"problem": ["1+1"]}), f"completions/{step}.json")
    assert runs.close(SYNC) is None
    tag = store.client.get_run(run).data.tags["mlflow.loggedArtifacts"]
    paths = [f"completions/{step}.json" for step in (1, 2)]
    assert json.loads(tag) == [{"path": path, "type": "table"} for path in paths]


def test_a_list_of_tables_that_is_too_long_keeps_the_first_and_the_latest() -> None:
    listed: list[dict[str, str]] = []
    for step in range(200):
        listed = with_table(listed, f"completions/round_{step:05d}.json")
    assert len(json.dumps(listed)) <= 5000
    steps = [int(entry["path"][-10:-5]) for entry in listed]
    assert steps[0] == 0
    assert steps[1:] == list(range(200 - len(steps) + 1, 200))


def test_parameters_without_a_value_are_left_out_unless_they_had_one(
    tmp_path: Path, store: TrackingStore
) -> None:
    runs = tracked(tmp_path, store)
    run = runs.open("run", {})
    runs.log_parameters(run, {"limit": 3, "training.lora": None})
    runs.log_parameters(run, {"limit": None, "training.lora": None})
    assert runs.close(SYNC) is None
    data = store.client.get_run(run).data
    assert data.params == {"limit": "3"}
    assert data.tags["resumed.limit"] == "None"


def test_descriptions_and_charts_name_the_run_that_the_store_has_made(
    tmp_path: Path, store: TrackingStore
) -> None:
    runs = TrackedRuns(tmp_path, "tests", None, lambda: store)
    key = runs.begin("run", {})
    runs.describe(key, "see #/experiments/{experiment_id}/runs/{run_id}")
    runs.offer_charts(key, chart_view(["aime_24"], 4))
    assert runs.close(SYNC) is None
    (run,) = store.client.search_runs([store.experiment_id])
    place = f"#/experiments/{store.experiment_id}/runs/{run.info.run_id}"
    assert run.data.tags["mlflow.note.content"] == f"see {place}"
    tags = store.client.get_experiment(store.experiment_id).tags
    assert len(tags[f"mlflow.sharedViewState.{run.info.run_id}"]) < 5000


def rollouts(count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "problem_id": [f"train/{index // 2}" for index in range(count)],
            "sample_index": [index % 2 for index in range(count)],
            "response": [f"response {index}" for index in range(count)],
            "answer": [None] * count,
            "correct": pd.array([index % 2 == 0 for index in range(count)], dtype="boolean"),
            "grade_reason": "equal",
            "reward": [float(index) for index in range(count)],
            "truncated": False,
            "num_tokens": 3,
            "round": 7,
            "cycle": 0,
            "advantage": 0.5,
        }
    )


def test_a_rollout_that_is_sent_twice_is_one_trace_with_its_grades(
    tmp_path: Path, store: TrackingStore
) -> None:
    prompts = {f"train/{index}": f"prompt {index}" for index in range(4)}
    sample = list(sampled_rollouts(rollouts(8), prompts, run_name="grpo, seed 1", count=2))
    assert [trace.response for trace in sample] == ["response 2", "response 6"]
    runs = tracked(tmp_path, store)
    run = runs.open("run", {})
    runs.log_traces(run, sample)
    runs.log_traces(run, sample)
    assert runs.close(SYNC) is None
    traces = store.client.search_traces(locations=[store.experiment_id])
    found = {trace.data.spans[0].outputs["response"]: trace for trace in traces}
    assert len(traces) == len(found) == 2
    trace = found["response 6"]
    assert trace.data.spans[0].inputs == {"prompt": "prompt 3"}
    assert trace.info.trace_metadata["mlflow.sourceRun"] == run
    assert (trace.info.tags["round"], trace.info.tags["mlflow.traceName"]) == (
        "7",
        "grpo, seed 1, round 7",
    )
    grades = {grade.name: (grade.value, grade.rationale) for grade in trace.info.assessments}
    assert grades == {"reward": (6.0, "equal"), "correct": (True, "equal")}
    assert trace.data.spans[0].attributes["advantage"] == 0.5
    assert "answer" not in trace.data.spans[0].attributes


def test_the_machines_load_is_logged_until_it_is_stopped() -> None:
    measured: list[dict[str, float]] = []
    has_some = threading.Event()

    def log(metrics: Mapping[str, float], *, step: int) -> None:
        measured.append({**metrics, "step": step})
        has_some.set()

    watch = SystemMetrics(0.01, datetime.now(UTC) - timedelta(seconds=5000), log)
    assert has_some.wait(60)
    watch.stop()
    count = len(measured)
    assert 0 <= measured[0]["system/system_memory_usage_percentage"] <= 100
    assert "system/cpu_utilization_percentage" in measured[0]
    assert len(measured) == count
    assert 5000 <= measured[0]["step"] < 5600, "seconds since the run began"
