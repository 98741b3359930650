"""Problem tables: one row per problem, the columns of :class:`pmd_pipeline.records.Problem`."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import pandas as pd

from pmd_pipeline.config.data_preparation import TRAIN_SET
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.metadata import metadata_to_text, text_to_metadata
from pmd_pipeline.problems.turns import text_to_turns, turns_to_text
from pmd_pipeline.records import Problem

PROBLEM_COLUMNS = tuple(field.name for field in fields(Problem))
DROPPED_COLUMNS = ("problem_id", "set_name", "reason")
MISSING_ANSWER = "missing_answer"
OVERLAPS_EVAL = "overlaps_eval"
_REMEDIES = {
    MISSING_ANSWER: "the reward compares with reference answers: name their column (columns.answer "
    "of kind: table), or choose a reward that needs none",
    OVERLAPS_EVAL: "every train problem looks like a copy of an evaluation problem; where they "
    "share long instructions, raise data_preparation.decontamination_overlap_fraction (1: only "
    "what shares all n-grams is a copy)",
}


def problems_to_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """Return the problems as a table of text columns, in their order; metadata and
    turns are JSON text.
    """
    # Public copies have millions of rows, each a hundred times: one string for all of them.
    interned: dict[str, str] = {}
    rows = []
    for problem in problems:
        metadata = metadata_to_text(problem.metadata)
        rows.append(
            (
                problem.problem_id,
                problem.problem,
                problem.answer,
                problem.source,
                problem.split,
                interned.setdefault(metadata, metadata),
                turns_to_text(problem.turns),
            )
        )
    return pd.DataFrame(rows, columns=list(PROBLEM_COLUMNS), dtype=object)


def table_to_problems(table: pd.DataFrame) -> list[Problem]:
    """Return the rows as records; further columns are left out."""
    rows = table[list(PROBLEM_COLUMNS)].to_dict(orient="records")
    return [
        Problem(
            **row
            | {
                "answer": text_or_none(row["answer"]),
                "metadata": text_to_metadata(row["metadata"]),
                "turns": text_to_turns(row["turns"]),
            }
        )
        for row in rows
    ]


def text_or_none(cell: Any) -> str | None:
    """Return a cell that can be missing: pandas writes None as not-a-number here and there."""
    return cell if isinstance(cell, str) else None


def set_names_of(table: pd.DataFrame) -> pd.Series:
    """Return each row's set: ``"train"``, or the name of its evaluation set."""
    return table["source"].where(table["split"] == "eval", TRAIN_SET)


def dropped_rows(table: pd.DataFrame, reason: str) -> pd.DataFrame:
    """Return the rows as a table of what was dropped and why (``DROPPED_COLUMNS``)."""
    values = {
        "problem_id": table["problem_id"],
        "set_name": set_names_of(table),
        "reason": reason,
    }
    return pd.DataFrame(values, index=table.index, dtype=object).reset_index(drop=True)


def refuse_empty_sets(before: pd.DataFrame, after: pd.DataFrame, dropped: pd.DataFrame) -> None:
    """Raise ProblemSourceError if a set of ``before`` lost all its problems."""
    lost = sorted(set(set_names_of(before)) - set(set_names_of(after)))
    if not lost:
        return
    name = lost[0]
    reasons = dropped.loc[dropped["set_name"] == name, "reason"].value_counts().to_dict()
    remedy = "check the file behind it and the limits in data_preparation"
    if len(reasons) == 1:
        remedy = _REMEDIES.get(next(iter(reasons)), remedy)
    raise ProblemSourceError(f"no problem of set {name!r} is left: dropped {reasons}; {remedy}")
