"""Normalisation, missing values, duplicates and contradictions."""

from collections.abc import Callable, Collection
from typing import Literal

import pandas as pd

from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.tables import (
    MISSING_ANSWER,
    dropped_rows,
    refuse_empty_sets,
    set_names_of,
)
from pmd_pipeline.problems.text import answer_key, duplicate_key, normalise_text

MISSING_PROBLEM = "missing_problem"
CONFLICTING_ANSWERS = "conflicting_answers"
DUPLICATE = "duplicate"


def clean_problems(
    table: pd.DataFrame,
    *,
    missing_rows: Literal["drop", "refuse"],
    answers_required: bool = True,
    verbatim_sets: Collection[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the problems that can be used, and the rows that were dropped with the reason.

    Rows without text go first, and those without answer where answers are required. Among the rows
    of one set whose texts are the same but for white space (or whose chat turns are the same), all
    go if their answers differ, else all but one: the first that has an answer, or the first.

    Args:
        table: Raw problems; a missing text or answer is an empty text or None.
        missing_rows: ``"refuse"`` makes a missing text, or a required answer that is missing, an
            error.
        answers_required: Whether a problem without an answer is of no use. Where it is of use, its
            answer is None in the table returned.
        verbatim_sets: Sets whose texts stay just as they came: where white space carries meaning,
            as in pictures made of letters. Other sets' texts are normalised.

    Raises:
        ProblemSourceError: If a set has nothing left, or holds a missing value that is refused.
    """
    table = table.assign(answer=table["answer"].fillna("").astype(object))
    normalised = table.assign(
        problem=_map_unique(table["problem"], normalise_text),
        answer=_map_unique(table["answer"], normalise_text),
    )
    reasons = _reasons(normalised, answers_required=answers_required)
    if missing_rows == "refuse":
        _refuse_missing(normalised, reasons)
    normalised.loc[normalised["answer"] == "", "answer"] = None
    verbatim = set_names_of(table).isin(list(verbatim_sets))
    for column in ("problem", "answer"):
        rows = verbatim & normalised[column].notna()
        normalised.loc[rows, column] = table.loc[rows, column]
    dropped = pd.concat(
        [
            dropped_rows(normalised[reasons == reason], reason)
            for reason in (MISSING_PROBLEM, MISSING_ANSWER, CONFLICTING_ANSWERS, DUPLICATE)
        ],
        ignore_index=True,
    )
    kept = normalised[reasons == ""].reset_index(drop=True)
    refuse_empty_sets(table, kept, dropped)
    return kept, dropped


def _reasons(table: pd.DataFrame, *, answers_required: bool) -> pd.Series:
    """Return why each row is dropped, an empty text where it is kept."""
    reasons = pd.Series("", index=table.index, dtype=object)
    has_answer = table["answer"] != ""
    if answers_required:
        reasons[~has_answer] = MISSING_ANSWER
    reasons[table["problem"] == ""] = MISSING_PROBLEM
    present = reasons == ""
    keys = pd.DataFrame(
        {
            "set_name": set_names_of(table),
            "problem": _map_unique(table["problem"], duplicate_key).where(
                table["turns"] == "", table["turns"]
            ),
            "answer": _map_unique(table["answer"], answer_key).where(has_answer),
        }
    )[present]
    # A stable order: of equal texts those with an answer come first.
    keys = keys.loc[(~has_answer[present]).sort_values(kind="stable").index]
    groups = keys.groupby(["set_name", "problem"], sort=False)["answer"]
    repeated = groups.cumcount() > 0
    conflicting = groups.transform("nunique") > 1
    reasons.loc[repeated.index[repeated]] = DUPLICATE
    reasons.loc[conflicting.index[conflicting]] = CONFLICTING_ANSWERS
    return reasons


def _refuse_missing(table: pd.DataFrame, reasons: pd.Series) -> None:
    missing = table[reasons.isin((MISSING_PROBLEM, MISSING_ANSWER))]
    if len(missing) > 0:
        first = missing.iloc[0]
        raise ProblemSourceError(
            f"{len(missing)} rows have no problem text or no answer, the first is "
            f"{first['problem_id']!r} (problem {first['problem'][:40]!r}, answer "
            f"{first['answer'][:40]!r}); correct them or set data_preparation.missing_rows: drop"
        )


def _map_unique(texts: pd.Series, function: Callable[[str], str]) -> pd.Series:
    """Apply a function once per distinct text: public copies repeat rows up to a hundred times."""
    return texts.map({text: function(text) for text in texts.unique()})
