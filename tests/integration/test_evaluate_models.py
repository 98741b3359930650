"""Models are evaluated without training: policies of a run, and a server that is cut in between."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from forks import empty_tracking_store
from mlflow.tracking import MlflowClient
from openai_server import KEY, MODEL, OpenAIServer, serving
from projects import Project, make_project

from pmd_pipeline.addresses import sqlite_address
from pmd_pipeline.hooks.lock import FILE_NAME as LOCK

TRAINED = "pmd_mean/seed_0/phase_2"
SERVED = {
    "kind": "openai_endpoint",
    "credentials": "tests",
    "model": MODEL,
    "concurrency": 2,
    "max_retries": 0,
}
MODELS: dict[str, Any] = {
    "initial": {"kind": "policy", "path": "initial"},
    "trained": {"kind": "policy", "path": TRAINED},
    "served": SERVED,
}
NUM_RESPONSES = 16
EVALUATION = {"pipeline_names": ["evaluate_models"], "only_missing_outputs": True}


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def project(
    finished: Project, server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A project with a finished run, whose environment names models."""
    path = tmp_path_factory.mktemp("evaluated") / "project"
    shutil.copytree(finished.path, path, ignore=shutil.ignore_patterns("mlflow.db", "mlruns"))
    shutil.copy(empty_tracking_store(), path / "mlflow.db")
    credentials = {"tests": server.credentials()}
    (path / "conf" / "tiny" / "credentials.yml").write_text(yaml.safe_dump(credentials))
    return Project(path)


def name_models(path: Path, models: dict[str, Any]) -> None:
    section = {"evaluate_models": {"models": models}}
    (path / "conf" / "tiny" / "parameters_evaluate_models.yml").write_text(
        yaml.safe_dump(section, sort_keys=False)
    )


def completions_of(project: Project, model: str) -> pd.DataFrame:
    folder = project.data / "07_model_output" / "evaluate_models" / model
    return pd.read_parquet(folder / "eval_completions.parquet")


@pytest.fixture(scope="module")
def evaluated(project: Project, server: OpenAIServer) -> Project:
    """The project after an evaluation that the server cut; a second had a model more."""
    name_models(project.path, {name: MODELS[name] for name in ("initial", "served")})
    server.fail = lambda number, body: (500, {}, f"{KEY} is out") if number >= 9 else None
    assert project.run(**EVALUATION) != 0
    answered = responses(project)
    assert 0 < len(answered) <= 9
    assert not (project.data / "08_reporting" / "evaluate_models" / "report.html").exists()
    server.bodies.clear()
    server.fail = lambda number, body: None
    name_models(project.path, MODELS)
    result = project.command("run", "--env", "tiny", "--pipelines", "evaluate_models")
    assert result.returncode == 0, result.stderr
    assert "On addition, " in result.stdout
    assert len(server.bodies) == NUM_RESPONSES - len(answered)
    return project


def responses(project: Project) -> pd.DataFrame:
    folder = project.data / "07_model_output" / "evaluate_models" / "served" / "responses"
    return pd.concat([pd.read_parquet(path) for path in sorted(folder.glob("part_*.parquet"))])


def test_policies_of_a_run_score_as_they_did_in_it_to_the_byte(evaluated: Project) -> None:
    for model, place in (("initial", "initial"), ("trained", TRAINED)):
        former = evaluated.data / "07_model_output" / place / "eval_completions.parquet"
        pd.testing.assert_frame_equal(
            completions_of(evaluated, model), pd.read_parquet(former), check_exact=True
        )


def test_a_servers_responses_are_all_there_once_whatever_was_cut(evaluated: Project) -> None:
    own, others = completions_of(evaluated, "served"), completions_of(evaluated, "initial")
    keys = ["eval_set", "problem_id", "sample_index", "problem", "gold"]
    pd.testing.assert_frame_equal(own[keys], others[keys])
    assert own["response"].str.startswith("\\boxed{").all()
    about = (evaluated.data / "07_model_output/evaluate_models/served/about.json").read_text()
    assert '"seeds": "one per response, sent with each request"' in about


def test_every_model_is_compared_with_every_other(evaluated: Project) -> None:
    folder = evaluated.data / "08_reporting" / "evaluate_models"
    scores, pairs = (pd.read_csv(folder / f"{name}.csv") for name in ("scores", "differences"))
    assert list(scores["model"].unique()) == list(MODELS)
    assert {"avg_at_k", "pass_at_k", "maj_at_k"} <= set(scores["metric"])
    assert list(zip(pairs["first"], pairs["second"], strict=True)) == [
        ("initial", "trained"),
        ("initial", "served"),
        ("trained", "served"),
    ]
    page = (folder / "report.html").read_text()
    assert "Responses of a server (served) cannot be had again to the byte" in page


def test_parts_of_the_training_run_can_be_made_again_where_models_are_named(
    evaluated: Project,
) -> None:
    assert evaluated.run(node_names=["reporting.compare"]) == 0


def test_no_key_is_in_any_file_that_a_run_has_left(evaluated: Project) -> None:
    kept = evaluated.path / "conf" / "tiny" / "credentials.yml"
    holding = [
        path
        for path in evaluated.path.rglob("*")
        if path.is_file() and path != kept and KEY.encode() in path.read_bytes()
    ]
    assert holding == []


def test_mlflow_has_a_run_per_model_below_one_of_its_own(evaluated: Project) -> None:
    client = MlflowClient(sqlite_address(evaluated.path / "mlflow.db"))
    experiment = client.get_experiment_by_name("pmd_pipeline")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    by_name = {run.data.tags.get("model"): run for run in runs}
    parents = {by_name[name].data.tags["mlflow.parentRunId"] for name in MODELS}
    (parent,) = (run for run in runs if run.info.run_id in parents)
    assert "evaluate_models" in parent.info.run_name
    assert parent.data.metrics["final/addition/avg_at_2/served"] == pytest.approx(
        by_name["served"].data.metrics["eval/addition/avg_at_2"]
    )
    statuses = [by_name[name].info.status for name in MODELS]
    assert [parent.info.status, *statuses] == ["FINISHED"] * 4
    assert by_name["served"].data.params["of_model.model"] == MODEL


def test_completions_of_a_server_can_be_graded_again(evaluated: Project) -> None:
    file = evaluated.data / "07_model_output/evaluate_models/served/eval_completions.parquet"
    result = evaluated.command("regrade", str(file), "--env", "tiny")
    assert result.returncode == 0, result.stderr
    assert f"{NUM_RESPONSES} completions, 0 scores changed" in result.stdout


def test_a_changed_model_is_refused_and_a_server_that_has_answered_is_not_asked(
    evaluated: Project, server: OpenAIServer
) -> None:
    num_looks = server.num_looks
    name_models(evaluated.path, {**MODELS, "trained": MODELS["initial"]})
    result = evaluated.command("run", "--env", "tiny", "--pipelines", "evaluate_models")
    assert result.returncode == 1
    assert "evaluate_models.models.trained.path" in result.stderr
    assert "evaluate_models.models.trained.checksum" in result.stderr
    assert server.num_looks == num_looks
    # What was refused has not died, and the next run need not take the folder over.
    assert (evaluated.data / LOCK).read_text() == ""


def test_a_model_that_is_not_there_is_said_before_anything_runs(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    name_models(project.path, {"a": {"kind": "policy", "path": "x"}})
    result = project.command("run", "--env", "tiny", "--pipelines", "evaluate_models")
    assert result.returncode == 1
    assert "evaluate_models.models.a.path: there is no policy in" in result.stderr
    assert not (project.data / "run_state.json").exists()
