"""The stage data_preparation under Kedro: catalog, validators, parameters."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from kedro.io import DataCatalog
from kedro.runner import SequentialRunner
from kedro.validation import DataValidationError
from kedro.validation.exceptions import ParameterValidationError
from kedro.validation.parameter_validator import ParameterValidator

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.pipelines.data_preparation import create_pipeline
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.tables import table_to_problems

CONF = Path(__file__).resolve().parents[3] / "conf/base"
SECTIONS = ("data_preparation", "policy_initialisation", "rewards", "seed", "training")
SCHEMAS = "pmd_pipeline.schemas.problems"
TABLES = {
    "raw_problems": "RawProblemTable",
    "clean_problems": "ProblemTable",
    "dropped_by_cleaning": "DroppedProblemTable",
    "uncontaminated_problems": "ProblemTable",
    "decontaminated_problems": "OverlapTable",
    "rendered_problems": "PromptTable",
    "dropped_by_length": "DroppedProblemTable",
    "train_problems": "TrainPromptTable",
    "eval_problems": "EvalPromptTable",
    "dropped_by_limit": "DroppedProblemTable",
}


@pytest.fixture
def parameters() -> dict[str, Any]:
    values = {}
    for section in ("data_preparation", "training"):
        text = (CONF / f"parameters_{section}.yml").read_text(encoding="utf-8")
        values |= yaml.safe_load(text)
    values["training"] |= {"prompts_per_round": 1, "num_mini_batches": 1}
    policy = {"policy": {"kind": "embedded"}}
    return {"seed": 3, "rewards": {"kind": "math"}, "policy_initialisation": policy, **values}


def make_catalog(folder: Path) -> DataCatalog:
    entries: dict[str, Any] = {
        name: {
            "type": "pandas.ParquetDataset",
            "filepath": str(folder / f"{name}.parquet"),
            "validator": f"{SCHEMAS}.{schema}",
        }
        for name, schema in TABLES.items()
    }
    entries["data_report"] = {
        "type": "json.JSONDataset",
        "filepath": str(folder / "data_report.json"),
    }
    entries["problem_files"] = {
        "type": "pmd_pipeline.datasets.problem_files.ProblemFilesDataset",
        "path": str(folder / "fetched"),
    }
    return DataCatalog.from_config(entries)


def run(folder: Path, parameters: dict[str, Any]) -> DataCatalog:
    pipeline = create_pipeline()
    validated = ParameterValidator({"it": pipeline}).validate_raw_params(parameters)
    catalog = make_catalog(folder)
    for name in SECTIONS:
        catalog[f"params:{name}"] = validated[name]
    SequentialRunner().run(pipeline, catalog)
    return catalog


def test_the_stage_makes_all_it_makes_of_parameters_and_problem_files() -> None:
    assert create_pipeline().all_outputs() == {*TABLES, "data_report", "tokenizer"}
    parameters = {f"params:{name}" for name in SECTIONS}
    assert create_pipeline().inputs() == {*parameters, "problem_files"}


def test_kedro_turns_the_parameters_into_the_configuration_model(
    parameters: dict[str, Any],
) -> None:
    validated = ParameterValidator({"it": create_pipeline()}).validate_raw_params(parameters)
    assert isinstance(validated["data_preparation"], DataPreparationConfig)
    parameters["data_preparation"]["train"]["num_problem"] = 3
    with pytest.raises(ParameterValidationError, match="num_problem"):
        ParameterValidator({"it": create_pipeline()}).validate_raw_params(parameters)


def test_the_embedded_default_runs_end_to_end(tmp_path: Path, parameters: dict[str, Any]) -> None:
    catalog = run(tmp_path, parameters)
    train, evals = catalog.load("train_problems"), catalog.load("eval_problems")
    assert (len(train), len(evals)) == (1024, 128)
    assert set(evals["source"]) == {"addition"}
    assert not set(train["problem"]) & set(evals["problem"])
    assert (train["prompt"] == train["problem"] + "?").all()
    assert (train["num_prompt_tokens"] == train["prompt"].str.len() + 1).all()
    report = json.loads((tmp_path / "data_report.json").read_text(encoding="utf-8"))
    assert (report["num_rows_in"], report["num_kept"]) == (1152, 1152)
    assert report["decontaminated"] == []


def test_the_seed_decides_every_byte_of_the_tables(
    tmp_path: Path, parameters: dict[str, Any]
) -> None:
    files = {}
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        run(tmp_path / name, {**parameters, "seed": seed})
        files[name] = (tmp_path / name / "train_problems.parquet").read_bytes()
    assert files["a"] == files["b"]
    assert files["a"] != files["c"]


def test_files_with_every_fault_are_accounted_for_row_by_row(
    tmp_path: Path, parameters: dict[str, Any]
) -> None:
    train = [
        {"problem": "1+2", "answer": "3"},
        {"problem": "1+2", "answer": "3"},  # duplicate
        {"problem": "2+2", "answer": "4"},
        {"problem": "2+2", "answer": "5"},  # contradicts the one before
        {"problem": " ", "answer": "1"},  # no text
        {"problem": "3+3", "answer": None},  # no answer
        {"problem": "4+4", "answer": "8"},  # an evaluation problem
        {"problem": "11111111+11111111", "answer": "2"},  # too long
        {"problem": "5+1", "answer": "6"},
        {"problem": "5+2", "answer": "7"},
    ]
    path = tmp_path / "train.jsonl"
    path.write_text("\n".join(map(json.dumps, train)), encoding="utf-8")
    evals = tmp_path / "evals.jsonl"
    evals.write_text('{"problem": "4 + 4", "answer": "08", "id": "e"}', encoding="utf-8")
    parameters["data_preparation"] |= {
        "train": {"kind": "math500", "path": str(path), "limit": 2},
        "evals": {"aime": {"kind": "aime", "path": str(evals)}},
    }
    with pytest.raises(ValueError, match="cannot encode"):
        run(tmp_path, parameters)  # the embedded tokenizer has no blank
    evals.write_text('{"problem": "4+4", "answer": "08", "id": "e"}', encoding="utf-8")
    catalog = run(tmp_path, parameters)
    report = catalog.load("data_report")
    assert report["sets"]["train"]["num_rows_in"] == 10
    assert report["sets"]["train"]["num_kept"] == 2
    assert report["sets"]["train"]["dropped_by_reason"] == {
        "conflicting_answers": 2,
        "duplicate": 1,
        "missing_answer": 1,
        "missing_problem": 1,
        "over_limit": 1,
        "overlaps_eval": 1,
        "prompt_too_long": 1,
    }
    assert report["decontaminated"] == [
        {
            "problem_id": "train/row-6",
            "eval_problem_id": "aime/e",
            "eval_set": "aime",
            "rule": "exact",
            "overlap_fraction": 1.0,
        }
    ]
    assert catalog.load("eval_problems")["answer"].tolist() == ["8"]


def test_problems_that_do_not_fill_a_round_stop_the_stage_before_any_policy_is_loaded(
    tmp_path: Path, parameters: dict[str, Any]
) -> None:
    path = tmp_path / "train.jsonl"
    rows = [{"problem": f"{i}+1", "answer": str(i + 1)} for i in (2, 3, 3)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    parameters["data_preparation"]["train"] = {"kind": "math500", "path": str(path)}
    parameters["training"]["prompts_per_round"] = 3
    with pytest.raises(ProblemSourceError, match=r"train.jsonl\): 2 problems are left .* is 3"):
        run(tmp_path, parameters)


def test_a_reward_that_needs_no_answer_keeps_problems_without_one(
    tmp_path: Path, parameters: dict[str, Any]
) -> None:
    rows = [
        {"sum": "1+1", "level": {"digits": 1}},
        {"sum": "1+2", "gold": "3", "level": None},
        {"sum": "2+2", "gold": ""},
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    columns = {"problem": "sum", "answer": "gold"}
    parameters["data_preparation"]["train"] = {
        "kind": "table",
        "path": str(path),
        "columns": columns,
    }
    scored = {"kind": "import", "import_path": "a:b"}
    kept = run(tmp_path, {**parameters, "rewards": scored}).load("train_problems")
    problems = table_to_problems(kept)
    assert [problem.answer for problem in problems] == [None, "3", None]
    assert [problem.metadata for problem in problems] == [
        {"level": {"digits": 1}},
        {"level": None},
        {"level": None},
    ]
    graded = run(tmp_path, parameters)
    assert graded.load("train_problems")["problem_id"].tolist() == ["train/row-1"]


def test_chat_turns_keep_their_way_through_the_tables(
    tmp_path: Path, parameters: dict[str, Any]
) -> None:
    rows = [{"chat": [{"role": "user", "content": "1+1"}], "reward_model": {"truth": 2}}]
    path = tmp_path / "own.parquet"
    pd.DataFrame(rows).to_parquet(path)
    parameters["data_preparation"]["train"] = {
        "kind": "table",
        "path": str(path),
        "columns": {"problem": "chat", "answer": "reward_model.truth"},
    }
    with pytest.raises(ValueError, match=r"own.parquet, problem 'train/row-0': .*no chat template"):
        run(tmp_path, parameters)
    catalog = make_catalog(tmp_path)
    (problem,) = table_to_problems(catalog.load("clean_problems").query("split == 'train'"))
    assert problem.turns == ({"role": "user", "content": "1+1"},)
    assert (problem.problem, problem.answer) == ("1+1", "2")


def test_the_catalog_refuses_a_table_that_breaks_its_schema(tmp_path: Path) -> None:
    catalog = make_catalog(tmp_path)
    with pytest.raises(DataValidationError):
        catalog.save("clean_problems", pd.DataFrame({"problem_id": ["a"]}))
