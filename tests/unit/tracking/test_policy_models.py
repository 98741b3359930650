"""An algorithm's best policy is a logged model that lies where it lies, sent once or often."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from forks import empty_tracking_store
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.exceptions import MlflowException
from tracking_stores import sqlite_store

from pmd_pipeline.tracking.data_inputs import eval_inputs, train_inputs
from pmd_pipeline.tracking.errors import TrackingError
from pmd_pipeline.tracking.outbox import FOLDER_NAME
from pmd_pipeline.tracking.policy_models import BestModel, DatasetKey, Measurement
from pmd_pipeline.tracking.runs import TrackedRuns
from pmd_pipeline.tracking.sender import send_left
from pmd_pipeline.tracking.store import TrackingStore

SYNC = "kedro mlflow-sync"
ACCURACY = "eval.addition.avg_at_4"


def unreachable() -> TrackingStore:
    raise TrackingError("the server is away")


@pytest.fixture
def store(tmp_path: Path) -> TrackingStore:
    shutil.copy(empty_tracking_store(), tmp_path / "mlflow.db")
    return sqlite_store(tmp_path / "mlflow.db")


def best(evaluated_by: str, checksum: str = "1f" * 32, **changes: Any) -> BestModel:
    model = BestModel(
        name="pmd_mean, seed 0, round 4",
        checksum=checksum,
        step=4,
        tags={"algorithm": "pmd_mean"},
        # More than the store takes at once, and one that it does not take at all.
        parameters={f"parameter_{i}": str(i) for i in range(120)} | {"long": "a" * 6001},
        measurements=(
            Measurement(name=ACCURACY, value=0.75, dataset=DatasetKey(name="addition", digest="d")),
            Measurement(
                name="eval.addition.mean_reward",
                value=float("nan"),
                dataset=DatasetKey(name="addition", digest="d"),
            ),
        ),
        evaluated_by=evaluated_by,
    )
    return replace(model, **changes)


def models(store: TrackingStore) -> list[LoggedModel]:
    return list(store.client.search_logged_models([store.experiment_id]))


def assert_complete(model: LoggedModel, store: TrackingStore, run: str) -> None:
    assert model.name == "pmd_mean, seed 0, round 4"
    assert (model.source_run_id, model.status) == (run, LoggedModelStatus.READY)
    assert model.model_type == "policy"
    tags = {key: model.tags[key] for key in ("algorithm", "best", "sha256")}
    assert tags == {"algorithm": "pmd_mean", "best": "true", "sha256": "1f" * 32}
    assert model.params == {f"parameter_{i}": str(i) for i in range(120)}
    (metric,) = model.metrics or []
    assert (metric.key, metric.value, metric.step) == (ACCURACY, 0.75, 4)
    assert (metric.dataset_name, metric.dataset_digest, metric.run_id) == ("addition", "d", run)
    history = store.client.get_metric_history(run, ACCURACY)
    assert [(known.step, known.value) for known in history] == [(2, 0.5), (4, 0.75)]
    outputs = store.client.get_run(run).outputs
    assert outputs is not None
    assert [(output.model_id, output.step) for output in outputs.model_outputs] == [
        (model.model_id, 4)
    ]


def test_a_model_made_while_the_store_is_away_and_sent_twice_is_one(
    tmp_path: Path, store: TrackingStore
) -> None:
    runs = TrackedRuns(tmp_path, "tests", None, unreachable)
    run = runs.open("pmd_mean, seed 0", {})
    runs.log_metrics(run, {ACCURACY: 0.5}, step=2)
    runs.log_metrics(run, {ACCURACY: 0.75}, step=4)
    runs.register_best(run, best(run))
    runs.close(SYNC)
    for number in range(2):
        shutil.copytree(tmp_path / FOLDER_NAME, tmp_path / f"copy_{number}")
        assert send_left(tmp_path / f"copy_{number}", store, set()) == set()
    (known,) = store.client.search_runs([store.experiment_id])
    (model,) = models(store)
    assert_complete(model, store, known.info.run_id)
    files = [path for path in (tmp_path / "mlruns").rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["MLmodel"], "no weights are copied"


@pytest.mark.parametrize(
    "request_name",
    [
        "create_logged_model",
        "set_logged_model_tags",
        "log_model_params",
        "finalize_logged_model",
        "log_outputs",
    ],
)
def test_a_model_that_was_left_half_made_is_completed(
    tmp_path: Path, store: TrackingStore, monkeypatch: pytest.MonkeyPatch, request_name: str
) -> None:
    request, num_calls = getattr(store.client, request_name), 0

    def ends(*args: Any, **options: Any) -> Any:
        nonlocal num_calls
        num_calls += 1
        answer = request(*args, **options)
        if num_calls == 1:
            raise MlflowException("API request failed")
        return answer

    monkeypatch.setattr(store.client, request_name, ends)
    runs = TrackedRuns(tmp_path, "tests", store, unreachable)
    run = runs.open("pmd_mean, seed 0", {})
    runs.log_metrics(run, {ACCURACY: 0.5}, step=2)
    runs.log_metrics(run, {ACCURACY: 0.75}, step=4)
    runs.register_best(run, best(run))
    runs.close(SYNC)  # which may have tried again
    assert send_left(tmp_path / FOLDER_NAME, store, set()) == set()
    assert num_calls >= 1
    (model,) = models(store)
    assert_complete(model, store, run)


def test_a_policy_that_is_outdone_by_one_of_another_seed_is_no_longer_the_best(
    tmp_path: Path, store: TrackingStore
) -> None:
    runs = TrackedRuns(tmp_path, "tests", store, unreachable)
    first, second, other = (runs.open(name, {}) for name in ("seed 0", "seed 1", "grpo"))
    runs.register_best(first, best(first))
    runs.register_best(other, best(other))
    runs.register_best(first, best(first, "2f" * 32))
    deleted = "0" * 32
    runs.register_best(second, best(second, "3f" * 32, siblings=(first, second, deleted)))
    assert runs.close(SYNC) is None
    tags = {model.tags["sha256"][:2]: model.tags["best"] for model in models(store)}
    of_other = [m.tags["best"] for m in models(store) if m.source_run_id == other]
    assert of_other == ["true"]
    assert {key: tags[key] for key in ("2f", "3f")} == {"2f": "false", "3f": "true"}
    of_first = {m.tags["best"] for m in models(store) if m.source_run_id == first}
    assert of_first == {"false"}


def test_problems_are_data_set_inputs_with_a_digest_of_all_their_rows(
    tmp_path: Path, store: TrackingStore
) -> None:
    problems = pd.DataFrame(
        {
            "problem": ["1 + 1", "2 + 2", "3 * 3"],
            "answer": ["2", None, "9"],
            "source": ["addition", "addition", "products"],
        }
    )
    edited = problems.assign(answer=["2", "4", "9"])
    data = eval_inputs(problems, "data/eval.parquet")
    assert [entry.name for entry in data] == ["addition", "products"]
    assert data[0].digest != eval_inputs(edited, "data/eval.parquet")[0].digest
    assert data[1].digest == eval_inputs(edited, "data/eval.parquet")[1].digest

    runs = TrackedRuns(tmp_path, "tests", store, unreachable)
    run = runs.open("run", {})
    for _ in range(2):
        runs.log_inputs(run, [*train_inputs(problems, "data/train.parquet"), *data])
    assert runs.close(SYNC) is None
    inputs = store.client.get_run(run).inputs.dataset_inputs
    found = {entry.dataset.name: (entry.dataset.digest, entry.tags[0].value) for entry in inputs}
    assert len(inputs) == 3
    assert set(found) == {"train_problems", "addition", "products"}
    assert found["products"] == (data[1].digest, "evaluation")
    assert found["train_problems"][1] == "training"
    (train,) = [entry.dataset for entry in inputs if entry.dataset.name == "train_problems"]
    assert '"uri": "data/train.parquet"' in train.source
    assert '"num_rows": 3' in (train.profile or "")
