"""What the schemas of problem tables let through and what they stop."""

from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.errors import SchemaError, SchemaErrors

from pmd_pipeline.schemas.problems import (
    DroppedProblemTable,
    EvalPromptTable,
    OverlapTable,
    ProblemTable,
    PromptTable,
    RawProblemTable,
    TrainPromptTable,
)

PROBLEM = {
    "problem_id": "a",
    "problem": "1+2",
    "answer": "3",
    "source": "s",
    "split": "eval",
    "metadata": "{}",
    "turns": "",
}
PROMPT = {**PROBLEM, "prompt": "1+2?", "has_special_tokens": False, "num_prompt_tokens": 5}
OVERLAP = {
    "problem_id": "a",
    "eval_problem_id": "b",
    "eval_set": "s",
    "rule": "exact",
    "overlap_fraction": 1.0,
}


def test_good_tables_pass() -> None:
    for schema, row in [
        (RawProblemTable, {**PROBLEM, "problem": "", "answer": ""}),
        (RawProblemTable, {**PROBLEM, "answer": None}),
        (ProblemTable, PROBLEM),
        (ProblemTable, {**PROBLEM, "answer": None}),
        (PromptTable, PROMPT),
        (EvalPromptTable, PROMPT),
        (OverlapTable, OVERLAP),
    ]:
        table = pd.DataFrame([row])
        pd.testing.assert_frame_equal(schema.validate(table), table)


@pytest.mark.parametrize(
    ("schema", "rows"),
    [
        (RawProblemTable, [PROBLEM, PROBLEM]),  # an id twice
        (RawProblemTable, [{**PROBLEM, "problem": None}]),
        (RawProblemTable, [{**PROBLEM, "split": "test"}]),
        (RawProblemTable, [{**PROBLEM, "further": 1}]),
        (RawProblemTable, [{k: v for k, v in PROBLEM.items() if k != "answer"}]),
        (ProblemTable, [{**PROBLEM, "problem": " \n"}]),
        (ProblemTable, [{**PROBLEM, "answer": ""}]),
        (ProblemTable, [{**PROBLEM, "answer": 3}]),
        (ProblemTable, [{**PROBLEM, "metadata": "x"}]),
        (ProblemTable, [{**PROBLEM, "turns": None}]),
        (PromptTable, [PROBLEM]),
        (PromptTable, [{**PROMPT, "prompt": ""}]),
        (PromptTable, [{**PROMPT, "num_prompt_tokens": 0}]),
        (PromptTable, [{**PROMPT, "has_special_tokens": "no"}]),
        (TrainPromptTable, [PROMPT]),
        (EvalPromptTable, [{**PROMPT, "split": "train"}]),
        (OverlapTable, [{**OVERLAP, "overlap_fraction": 1.5}]),
        (OverlapTable, [{**OVERLAP, "rule": "guess"}]),
    ],
)
def test_bad_tables_are_stopped(
    schema: type[pa.DataFrameModel], rows: list[dict[str, Any]]
) -> None:
    with pytest.raises((SchemaError, SchemaErrors)):
        schema.validate(pd.DataFrame(rows))


@pytest.mark.parametrize("schema", [DroppedProblemTable, OverlapTable])
def test_lists_of_dropped_rows_can_be_empty_even_after_parquet(
    tmp_path: Path, schema: type[pa.DataFrameModel]
) -> None:
    columns = list(schema.to_schema().columns)
    empty = pd.DataFrame({c: pd.Series(dtype=object) for c in columns})
    if "overlap_fraction" in columns:
        empty = empty.astype({"overlap_fraction": float})
    schema.validate(empty)
    empty.to_parquet(tmp_path / "empty.parquet")
    assert schema.validate(pd.read_parquet(tmp_path / "empty.parquet")).empty
