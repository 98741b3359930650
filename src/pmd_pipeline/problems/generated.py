"""Problems that a function of the user's own makes: ``kind: generated``.

The function is called with ``seed`` and ``num_problems``, and the options by name. It returns as
many problems: records, or mappings with ``problem`` and, where there are such, ``answer``,
``problem_id`` and ``metadata``; further entries of a mapping are metadata too::

    from random import Random

    def make_problems(seed, num_problems, largest=9):
        random = Random(seed)
        problems = []
        for _ in range(num_problems):
            a, b = random.randint(0, largest), random.randint(0, largest)
            problems.append({"problem": f"What is {a} times {b}?", "answer": a * b})
        return problems
"""

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pmd_pipeline.config.data_preparation import TRAIN_SET, GeneratedSource
from pmd_pipeline.importing import UserImportError, import_object
from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.stored.layouts import Layout, RawProblem, read_rows
from pmd_pipeline.problems.stored.rows import RawRows
from pmd_pipeline.problems.stored.text_files import Row
from pmd_pipeline.records import Problem
from pmd_pipeline.seeds import derive_seed

_SEEDS = 2**31  # half of the seeds that every random generator takes; the other half is for train


def make_problems(
    source: GeneratedSource, *, set_name: str, seed: int, key: str
) -> Iterator[RawProblem]:
    """Yield what the user's function returns.

    Args:
        source: Import path, options and number.
        set_name: The set that they are for: train's seed is never that of another set.
        seed: The run's seed.
        key: The parameter that holds the source, for messages.

    Raises:
        ProblemSourceError: If the function cannot be had, raises, or returns what are not as many
            problems.
    """
    location = f"{key} ({source.import_path})"
    rows = [
        _row(location, number, problem)
        for number, problem in enumerate(_call(source, set_seed(seed, set_name), key, location))
    ]
    columns = frozenset(column for row in rows for column in row)
    if "problem" not in columns:
        raise ProblemSourceError(
            f"{location}: the problems hold {sorted(columns)}, but no 'problem'; return mappings "
            "with problem, answer, problem_id and metadata"
        )
    layout = Layout(
        problem="problem",
        answer="answer" if "answer" in columns else None,
        problem_id="problem_id" if "problem_id" in columns else None,
        remedy="correct the function",
    )
    for raw in read_rows(layout, _raw_rows(location, columns, rows)):
        yield raw._replace(metadata=_flat(location, raw))


def set_seed(seed: int, set_name: str) -> int:
    """Return the seed of a set, below 2**32: even for train, odd for the others."""
    return 2 * (derive_seed(seed, "generated", set_name) % _SEEDS) + (set_name != TRAIN_SET)


def _call(source: GeneratedSource, seed: int, key: str, location: str) -> list[Any]:
    try:
        function = import_object(source.import_path, parameter=f"{key}.import_path")
    except UserImportError as error:
        raise ProblemSourceError(str(error)) from error
    if not callable(function):
        raise ProblemSourceError(
            f"{location} is a {type(function).__name__}; name a function of seed and num_problems"
        )
    try:
        result = function(seed=seed, num_problems=source.num_problems, **source.options)
        # A generator raises while it is read.
        problems = list(result) if isinstance(result, Iterable) else None
    except Exception as error:
        raise ProblemSourceError(
            f"{location}: called with seed={seed}, num_problems={source.num_problems} and the "
            f"options {source.options}, the function raised {type(error).__name__}: {error} "
            f"({_place(error)}); correct it or the options"
        ) from error
    if problems is None or isinstance(result, str | Mapping):
        raise ProblemSourceError(
            f"{location}: the function returned a {type(result).__name__}; it must return a list "
            "of problems"
        )
    if len(problems) != source.num_problems:
        raise ProblemSourceError(
            f"{location}: the function returned {len(problems)} problems for num_problems "
            f"{source.num_problems}; it must return as many"
        )
    return problems


def _row(location: str, number: int, problem: Any) -> Row:
    if isinstance(problem, Problem):
        row: Row = {"problem": list(problem.turns) or problem.problem, "metadata": problem.metadata}
        return row | {"answer": problem.answer, "problem_id": problem.problem_id}
    if isinstance(problem, Mapping):
        return {str(name): value for name, value in problem.items()}
    raise ProblemSourceError(
        f"{location}, problem {number} (from 0): a {type(problem).__name__} "
        f"({repr(problem)[:60]}); return mappings with problem, answer, problem_id and metadata, "
        "or records.Problem"
    )


def _raw_rows(location: str, columns: frozenset[str], rows: Sequence[Row]) -> RawRows:
    def iterate(wanted: Sequence[str]) -> Iterator[Row]:
        return ({column: row.get(column) for column in wanted} for row in rows)

    return RawRows(location=location, columns=columns, iterate=iterate)


def _flat(location: str, raw: RawProblem) -> dict[str, Any]:
    """Return the entry ``metadata`` and the further entries as one."""
    metadata = dict(raw.metadata)
    inner = metadata.pop("metadata", None) or {}
    if not isinstance(inner, Mapping):
        raise ProblemSourceError(
            f"{location}, problem {raw.row_id!r}: metadata must be a mapping, found "
            f"{repr(inner)[:60]}; correct the function"
        )
    return {**inner, **metadata}


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}, line {frame.lineno}"
