"""The row layouts of the supported problem sets.

Each layout turns one raw row into a problem text, an answer and the row's own id. A missing text
or answer is None; a value of the wrong type, or an AIME answer that is no integer from 0 to 999,
is an error.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pmd_pipeline.config.data_preparation import (
    AimeSource,
    DapoSource,
    Gsm8kSource,
    Math500Source,
    StoredSource,
)
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.rows import RawRows, Row
from pmd_pipeline.problems.templates import strip_dapo_template

_DEGREES = r"(?:\^\s*\{?\s*\\circ\s*\}?|°|\\degree|degrees?)"
_AIME_ANSWER = re.compile(rf"\$?\s*(\d+)(?:\.0+)?\s*{_DEGREES}?\s*\$?", re.IGNORECASE)
_LARGEST_AIME_ANSWER = 999


class RawProblem(NamedTuple):
    """What a row says, before cleaning."""

    row_id: str | None
    problem: str | None
    answer: str | None


class _Layout(NamedTuple):
    required: tuple[str, ...]
    optional: tuple[str, ...]
    parse: Callable[[Row], RawProblem]


def parse_rows(source: StoredSource, rows: RawRows) -> Iterator[RawProblem]:
    """Yield what each row says.

    Raises:
        ProblemSourceError: If a required column is missing or a value cannot be right.
    """
    layout = _layout(source, rows.columns)
    missing = [column for column in layout.required if column not in rows.columns]
    if missing:
        raise ProblemSourceError(
            f"{rows.location}: a source of this kind needs the columns {list(layout.required)}; "
            f"missing {missing}, found {sorted(rows.columns)}; check kind and file"
        )
    present = [c for c in (*layout.required, *layout.optional) if c in rows.columns]
    for number, row in enumerate(rows.iterate(present)):
        try:
            yield layout.parse(row)
        except _BadValueError as error:
            raise ProblemSourceError(
                f"{rows.location}, row {number} (from 0): {error}; correct the row or check kind"
            ) from error


class _BadValueError(ValueError):
    """A value of a row cannot be right; the caller adds where the row lies."""


def _layout(source: StoredSource, columns: frozenset[str]) -> _Layout:
    match source:
        case DapoSource():
            return _Layout(("prompt", "reward_model"), ("extra_info",), _parse_dapo)
        case AimeSource() if {"prompt", "reward_model"} <= columns:
            return _Layout(("prompt", "reward_model"), ("extra_info",), _parse_dapo_aime)
        case AimeSource(problem_column=problem, answer_column=answer):
            return _Layout((problem, answer), ("id",), _flat_aime_parser(problem, answer))
        case Math500Source():
            return _Layout(("problem", "answer"), ("unique_id",), _parse_math500)
        case Gsm8kSource():
            return _Layout(("question", "answer"), (), _parse_gsm8k)
    raise AssertionError(f"no layout for {type(source).__name__}")


def _parse_dapo(row: Row) -> RawProblem:
    prompt = _chat_text(row["prompt"])
    gold = _member(row["reward_model"], "reward_model", "ground_truth")
    row_id = _member(row.get("extra_info"), "extra_info", "index", required=False)
    return RawProblem(
        row_id=_text(row_id, "extra_info.index"),
        problem=None if prompt is None else strip_dapo_template(prompt),
        answer=_text(gold, "reward_model.ground_truth"),
    )


def _parse_dapo_aime(row: Row) -> RawProblem:
    raw = _parse_dapo(row)
    return raw._replace(answer=_aime_answer(raw.answer))


def _flat_aime_parser(problem: str, answer: str) -> Callable[[Row], RawProblem]:
    def parse(row: Row) -> RawProblem:
        return RawProblem(
            row_id=_text(row.get("id"), "id"),
            problem=_text(row[problem], problem),
            answer=_aime_answer(_text(row[answer], answer)),
        )

    return parse


def _parse_math500(row: Row) -> RawProblem:
    return RawProblem(
        row_id=_text(row.get("unique_id"), "unique_id"),
        problem=_text(row["problem"], "problem"),
        answer=_text(row["answer"], "answer"),
    )


def _parse_gsm8k(row: Row) -> RawProblem:
    solution = _text(row["answer"], "answer")
    _, mark, final = (solution or "").rpartition("####")
    return RawProblem(
        row_id=None,
        problem=_text(row["question"], "question"),
        answer=final.strip().replace(",", "") if mark else None,
    )


def _aime_answer(answer: str | None) -> str | None:
    """Return an AIME answer as an integer without leading zeros; a degree sign is taken off."""
    if answer is None or not answer.strip():
        return None
    match = _AIME_ANSWER.fullmatch(answer.strip())
    if match is None or len(match[1].lstrip("0")) > len(str(_LARGEST_AIME_ANSWER)):
        raise _BadValueError(
            f"an AIME answer is an integer from 0 to {_LARGEST_AIME_ANSWER}, found {answer[:60]!r}"
        )
    return str(int(match[1]))


def _chat_text(prompt: Any) -> str | None:
    """Return the text of a conversation of one user turn."""
    if prompt is None:
        return None
    if (
        not isinstance(prompt, list)
        or len(prompt) != 1
        or not isinstance(prompt[0], dict)
        or prompt[0].get("role") != "user"
    ):
        raise _BadValueError(
            "prompt must be a list of one turn {role: user, content: ...}, found "
            f"{repr(prompt)[:60]}"
        )
    return _text(prompt[0].get("content"), "prompt[0].content")


def _member(value: Any, column: str, key: str, *, required: bool = True) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict) or (required and key not in value):
        raise _BadValueError(f"{column} must hold {key!r}, found {repr(value)[:60]}")
    return value.get(key)


def _text(value: Any, column: str) -> str | None:
    """Return a cell as text; whole numbers, which some copies store as numbers, are taken too."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        if value != value:  # NaN: how pandas writes a missing number
            return None
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _BadValueError(
        f"{column} must be text or a number, found {type(value).__name__} {repr(value)[:60]}"
    )
