"""From raw rows to problems: which columns are read, and how.

Each kind of stored source is a layout: the columns of problem, answer and id, and how a cell of
the first two is read. All that is left of a row is the problem's metadata.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, assert_never

from pmd_pipeline.config.data_preparation import (
    AimeSource,
    AnyStoredSource,
    DapoSource,
    Gsm8kSource,
    Math500Source,
    TableSource,
)
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.stored.cells import (
    BadValueError,
    ColumnPath,
    ProblemText,
    check_characters,
    check_size,
    read_member,
    read_one_user_turn,
    read_text,
    read_text_or_turns,
    rest_of_row,
)
from pmd_pipeline.problems.stored.row_checks import Forms, RowIds
from pmd_pipeline.problems.stored.rows import RawRows
from pmd_pipeline.problems.templates import strip_dapo_template
from pmd_pipeline.problems.turns import Turn
from pmd_pipeline.records import Metadata

_DEGREES = r"(?:\^\s*\{?\s*\\circ\s*\}?|°|\\degree|degrees?)"
_AIME_ANSWER = re.compile(rf"\$?\s*(\d+)(?:\.0+)?\s*{_DEGREES}?\s*\$?", re.IGNORECASE)
_LARGEST_AIME_ANSWER: Final = 999


class RawProblem(NamedTuple):
    """What a row says, before cleaning."""

    row_id: str
    problem: str | None
    answer: str | None
    metadata: Metadata
    turns: Sequence[Turn] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How rows are read; the defaults are those of a user's own table.

    Attributes:
        problem: The column of the problem; a dot leads into nested values.
        answer: The column of the reference answer; None where there is none.
        problem_id: The column of the id; None where rows are numbered.
        read_problem: Reads the problem's cell; it is given the column's name for messages.
        read_answer: Likewise for the answer.
        repeats_rows: True for public copies, which repeat rows and ids: a repeated id gets its
            count as a suffix, and a row without one its number. Else ids must be there and unique.
        remedy: What to do about a bad row.
    """

    problem: str
    answer: str | None
    problem_id: str | None
    read_problem: Callable[[Any, str], ProblemText] = read_text_or_turns
    read_answer: Callable[[Any, str], str | None] = read_text
    repeats_rows: bool = False
    remedy: str = "correct the row or check columns"


def parse_rows(source: AnyStoredSource, rows: RawRows) -> Iterator[RawProblem]:
    """Yield what each row says.

    Raises:
        ProblemSourceError: If a column is missing, a value cannot be right or is too large, rows
            are of different forms, or an id that must be unique comes again.
    """
    layout = _layout(source, rows.columns)
    _refuse_missing_columns(source, layout, rows)
    return read_rows(layout, rows, ignored_columns=source.ignored_columns)


def read_rows(
    layout: Layout, rows: RawRows, *, ignored_columns: Sequence[str] = ()
) -> Iterator[RawProblem]:
    """Yield what each row says in a layout whose columns are there; raises as parse_rows does."""
    paths = _Paths.of(layout, rows.columns)
    names = sorted(rows.columns - set(ignored_columns))
    ids = RowIds(repeats_rows=layout.repeats_rows)
    forms = Forms()
    for number, row in enumerate(rows.iterate(names)):
        try:
            text = layout.read_problem(read_member(row, paths.problem), layout.problem)
            raw = RawProblem(
                row_id=ids.of(number, _row_id(row, paths, layout)),
                problem=text.problem,
                answer=_answer(row, paths, layout),
                metadata=rest_of_row(row, paths.used()),
                turns=text.turns,
            )
            check_size(raw.problem, raw.answer, raw.metadata)
            check_characters(*raw)
            forms.check(number, text)
        except BadValueError as error:
            raise rows.error(number, error, layout.remedy) from error
        yield raw


def _layout(source: AnyStoredSource, columns: frozenset[str]) -> Layout:
    match source:
        case TableSource(columns=named):
            return Layout(
                problem=named.problem,
                answer=named.answer,
                problem_id=named.problem_id,
            )
        case DapoSource():
            return _dapo_layout(read_text)
        case AimeSource() if {"prompt", "reward_model"} <= columns:
            return _dapo_layout(_aime_answer)
        case AimeSource(problem_column=problem, answer_column=answer):
            return _text_layout(problem, answer, "id", _aime_answer)
        case Math500Source():
            return _text_layout("problem", "answer", "unique_id", read_text)
        case Gsm8kSource():
            return _text_layout("question", "answer", None, _gsm8k_answer)
        case _:
            assert_never(source)


def _dapo_layout(read_answer: Callable[[Any, str], str | None]) -> Layout:
    return Layout(
        problem="prompt",
        answer="reward_model.ground_truth",
        problem_id="extra_info.index",
        read_problem=_dapo_problem,
        read_answer=read_answer,
        repeats_rows=True,
        remedy="correct the row or check kind",
    )


def _text_layout(
    problem: str,
    answer: str,
    problem_id: str | None,
    read_answer: Callable[[Any, str], str | None],
) -> Layout:
    return Layout(
        problem=problem,
        answer=answer,
        problem_id=problem_id,
        read_problem=_plain_problem,
        read_answer=read_answer,
        repeats_rows=True,
        remedy="correct the row or check kind",
    )


def _plain_problem(value: Any, column: str) -> ProblemText:
    return ProblemText(read_text(value, column))


def _dapo_problem(value: Any, column: str) -> ProblemText:
    prompt = read_one_user_turn(value, column)
    return ProblemText(None if prompt is None else strip_dapo_template(prompt))


def _gsm8k_answer(value: Any, column: str) -> str | None:
    _, mark, final = (read_text(value, column) or "").rpartition("####")
    return final.strip().replace(",", "") if mark else None


def _aime_answer(value: Any, column: str) -> str | None:
    """Return an AIME answer as an integer without leading zeros; a degree sign is taken off."""
    answer = read_text(value, column)
    if answer is None or not answer.strip():
        return None
    match = _AIME_ANSWER.fullmatch(answer.strip())
    if match is None or len(match[1].lstrip("0")) > len(str(_LARGEST_AIME_ANSWER)):
        raise BadValueError(
            f"an AIME answer is an integer from 0 to {_LARGEST_AIME_ANSWER}, found {answer[:60]!r}"
        )
    return str(int(match[1]))


class _Paths(NamedTuple):
    """The layout's columns as they lie in the data."""

    problem: ColumnPath
    answer: ColumnPath | None
    problem_id: ColumnPath | None

    @classmethod
    def of(cls, layout: Layout, columns: frozenset[str]) -> "_Paths":
        answer, problem_id = layout.answer, layout.problem_id
        if problem_id is not None and column_path(problem_id, columns)[0] not in columns:
            problem_id = None  # a preset's id is not in every copy
        return cls(
            problem=column_path(layout.problem, columns),
            answer=None if answer is None else column_path(answer, columns),
            problem_id=None if problem_id is None else column_path(problem_id, columns),
        )

    def used(self) -> list[ColumnPath]:
        return [path for path in self if path is not None]


def column_path(name: str, columns: frozenset[str]) -> ColumnPath:
    """Return the way to a column: a column of just that name, or one that holds the rest."""
    return (name,) if name in columns else tuple(name.split("."))


def _answer(row: Mapping[str, Any], paths: _Paths, layout: Layout) -> str | None:
    if paths.answer is None or layout.answer is None:
        return None
    return layout.read_answer(read_member(row, paths.answer), layout.answer)


def _row_id(row: Mapping[str, Any], paths: _Paths, layout: Layout) -> str | None:
    if paths.problem_id is None:
        return None
    value = read_member(row, paths.problem_id, required=not layout.repeats_rows)
    row_id = read_text(value, ".".join(paths.problem_id))
    if not layout.repeats_rows and not (row_id or "").strip():
        raise BadValueError(f"there is no id in {'.'.join(paths.problem_id)!r}")
    return row_id


def _refuse_missing_columns(source: AnyStoredSource, layout: Layout, rows: RawRows) -> None:
    wanted = [name for name in (layout.problem, layout.answer) if name is not None]
    if isinstance(source, TableSource):
        wanted += [name for name in (layout.problem_id, *source.ignored_columns) if name]
    tops = {name: column_path(name, rows.columns)[0] for name in wanted}
    missing = [name for name, top in tops.items() if top not in rows.columns]
    if not missing:
        return
    found = sorted(rows.columns)
    if not isinstance(source, TableSource):
        raise ProblemSourceError(
            f"{rows.location}: a source of this kind needs the columns {wanted}; "
            f"missing {missing}, found {found}; check kind and file, or use kind: table"
        )
    closest = difflib.get_close_matches(missing[0], found, n=1)
    hint = f"; did you mean {closest[0]!r}?" if closest else ""
    raise ProblemSourceError(
        f"{rows.location}: missing columns {missing}, found {found}{hint}; correct columns (or "
        "ignored_columns) in data_preparation"
    )
