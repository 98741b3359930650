"""The limit of a set, and the data report."""

import json

import pandas as pd
import pytest

from pmd_pipeline.config.data_preparation import DataPreparationConfig
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.report import data_report
from pmd_pipeline.problems.selection import limit_problems, refuse_unfilled_round
from pmd_pipeline.problems.tables import (
    DROPPED_COLUMNS,
    PROBLEM_COLUMNS,
    problems_to_table,
    table_to_problems,
)
from pmd_pipeline.records import Problem

CONFIG = DataPreparationConfig.model_validate(
    {
        "train": {"kind": "dapo", "path": "d.parquet", "limit": 3},
        "evals": {
            "aime": {"kind": "aime", "hub_name": "a/b", "revision": "c" * 40, "limit": 2},
            "sums": {"kind": "generated_addition", "num_problems": 4},
        },
        "prompt_template": "dapo",
        "max_prompt_tokens": 50,
    }
)


def make_problems(num_train: int = 6, num_aime: int = 6, num_sums: int = 4) -> list[Problem]:
    sets = [("dapo", "train", num_train), ("aime", "eval", num_aime), ("sums", "eval", num_sums)]
    return [
        Problem(problem_id=f"{source}/{i}", problem=f"p{i}", answer="1", source=source, split=split)
        for source, split, count in sets
        for i in range(count)
    ]


def make_table(num_train: int = 6, num_aime: int = 6, num_sums: int = 4) -> pd.DataFrame:
    table = problems_to_table(make_problems(num_train, num_aime, num_sums))
    return table.assign(prompt="x", has_special_tokens=True, num_prompt_tokens=range(len(table)))


def test_tables_and_records_are_the_same_thing() -> None:
    problems = make_problems()
    table = problems_to_table(problems)
    assert tuple(table.columns) == PROBLEM_COLUMNS
    assert table_to_problems(table.assign(further=1)) == problems
    assert table_to_problems(problems_to_table([])) == []


def test_each_set_is_limited_on_its_own_and_keeps_its_order() -> None:
    table = make_table()
    kept, dropped = limit_problems(table, CONFIG, seed=0)
    assert kept["source"].value_counts().to_dict() == {"sums": 4, "dapo": 3, "aime": 2}
    assert kept["problem_id"].tolist() == sorted(
        kept["problem_id"], key=table["problem_id"].tolist().index
    )
    assert dropped["set_name"].tolist() == ["train"] * 3 + ["aime"] * 4
    assert set(dropped["reason"]) == {"over_limit"}
    assert set(kept["problem_id"]) | set(dropped["problem_id"]) == set(table["problem_id"])


def test_the_draw_is_random_but_decided_by_the_seed_and_set() -> None:
    draws = [tuple(limit_problems(make_table(), CONFIG, seed=s)[0]["problem_id"]) for s in range(9)]
    again = [tuple(limit_problems(make_table(), CONFIG, seed=s)[0]["problem_id"]) for s in range(9)]
    assert draws == again
    assert len(set(draws)) > 5
    alone, _ = limit_problems(make_table(num_train=9), CONFIG, seed=0)
    assert [i for i in alone["problem_id"] if "aime" in i] == [i for i in draws[0] if "aime" in i]


def test_a_set_within_its_limit_stays_whole() -> None:
    kept, dropped = limit_problems(make_table(3, 1, 4), CONFIG, seed=0)
    assert len(kept) == 8
    assert dropped.empty
    assert tuple(dropped.columns) == DROPPED_COLUMNS


def make_overlaps(*ids: str) -> pd.DataFrame:
    rows = [(i, "aime/0", "aime", "ngram", 0.5) for i in ids]
    columns = ["problem_id", "eval_problem_id", "eval_set", "rule", "overlap_fraction"]
    return pd.DataFrame(rows, columns=columns)


def make_dropped(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(DROPPED_COLUMNS))


def test_the_report_counts_rows_in_dropped_by_reason_and_kept() -> None:
    raw = make_table()
    dropped = make_dropped(
        ("dapo/0", "train", "duplicate"),
        ("dapo/1", "train", "duplicate"),
        ("aime/5", "aime", "missing_answer"),
    )
    overlaps = make_overlaps("dapo/2")
    gone = [*dropped["problem_id"], *overlaps["problem_id"]]
    report = data_report(raw, raw[~raw["problem_id"].isin(gone)], dropped, overlaps, CONFIG)
    assert json.loads(json.dumps(report)) == report
    assert (report["num_rows_in"], report["num_kept"], report["num_dropped"]) == (16, 12, 4)
    assert report["dropped_by_reason"] == {"duplicate": 2, "missing_answer": 1, "overlaps_eval": 1}
    assert report["sets"]["train"] == {
        "source": "dapo: d.parquet",
        "num_rows_in": 6,
        "num_kept": 3,
        "num_dropped": 3,
        "dropped_by_reason": {"duplicate": 2, "overlaps_eval": 1},
        "prompt_tokens": {"min": 3, "mean": 4.0, "max": 5},
    }
    assert report["sets"]["aime"]["source"] == f"aime: a/b@{'c' * 40}"
    assert report["sets"]["sums"]["dropped_by_reason"] == {}
    assert report["decontaminated"] == [
        {
            "problem_id": "dapo/2",
            "eval_problem_id": "aime/0",
            "eval_set": "aime",
            "rule": "ngram",
            "overlap_fraction": 0.5,
        }
    ]
    assert report["prompts"] == {
        "template": "dapo",
        "answer_convention": "answer_line",
        "chat_template_used": True,
        "max_prompt_tokens": 50,
    }


def test_a_row_that_is_neither_kept_nor_dropped_is_an_error() -> None:
    raw = make_table()
    with pytest.raises(ValueError, match=r"'train': 6 rows came in, but 5 are kept"):
        data_report(raw, raw.iloc[1:], make_dropped(), make_overlaps(), CONFIG)


def test_problems_that_are_too_few_once_the_others_are_dropped_are_noticed_with_the_data() -> None:
    refuse_unfilled_round(8, CONFIG, prompts_per_round=8)
    with pytest.raises(
        ProblemSourceError, match=r"dapo: d\.parquet\): 7 problems are left .* is 8"
    ):
        refuse_unfilled_round(7, CONFIG, prompts_per_round=8)
