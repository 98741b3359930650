"""From a configured source to a raw problem table."""

import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import starmap
from typing import NamedTuple

import numpy as np
import pandas as pd

from pmd_pipeline.config.data_preparation import (
    TRAIN_SET,
    DataPreparationConfig,
    GeneratedAdditionSource,
    ProblemSource,
    ReasoningGymSource,
    StoredSource,
)
from pmd_pipeline.problems.addition import addition_answer, sample_problems
from pmd_pipeline.problems.formats import parse_rows
from pmd_pipeline.problems.reasoning_gym import draw_problems
from pmd_pipeline.problems.rows import open_rows
from pmd_pipeline.problems.tables import problems_to_table
from pmd_pipeline.records import Metadata, Problem


def load_problems(config: DataPreparationConfig, *, seed: int) -> pd.DataFrame:
    """Return the rows of all sources as they came, train first; missing values are empty texts.

    Raises:
        ProblemSourceError: If a source cannot be read or holds what cannot be right.
    """
    return problems_to_table(
        problem
        for set_name in config.set_names()
        for problem in _load_set(config.source_of(set_name), set_name, seed)
    )


def first_problem(config: DataPreparationConfig, *, seed: int) -> Problem | None:
    """Return the first train problem as it came; None where it would have to be downloaded.

    Raises:
        ProblemSourceError: If the source cannot be read or holds what cannot be right.
    """
    if isinstance(config.train, StoredSource) and config.train.path is None:
        return None
    return next(_load_set(config.train, TRAIN_SET, seed), None)


def set_generator(seed: int, set_name: str) -> np.random.Generator:
    """Return the random generator of one set, so that further sets do not change its draws."""
    return np.random.default_rng([seed, zlib.crc32(set_name.encode())])


class _Row(NamedTuple):
    """One problem of a set, before it knows which."""

    row_id: str
    problem: str
    answer: str | None
    metadata: Metadata = {}  # noqa: RUF012 (a tuple's default, never changed)


def _load_set(source: ProblemSource, set_name: str, seed: int) -> Iterator[Problem]:
    is_train = set_name == TRAIN_SET
    name, split = (source.kind, "train") if is_train else (set_name, "eval")
    for row in _rows(source, set_name, seed):
        yield Problem(
            problem_id=f"{set_name}/{row.row_id}",
            problem=row.problem,
            answer=row.answer,
            source=name,
            split=split,
            metadata=row.metadata,
        )


def _rows(source: ProblemSource, set_name: str, seed: int) -> Iterator[_Row]:
    match source:
        case GeneratedAdditionSource():
            held_out = set_name != TRAIN_SET
            return _generate(source, held_out=held_out, rng=set_generator(seed, set_name))
        case ReasoningGymSource():
            return starmap(_Row, draw_problems(source, set_name=set_name, seed=seed))
        case _:
            return _read(source)


def _generate(
    source: GeneratedAdditionSource, *, held_out: bool, rng: np.random.Generator
) -> Iterator[_Row]:
    for text in sample_problems(source.num_problems, rng, held_out=held_out, widths=source.widths):
        yield _Row(text, text, addition_answer(text))


def _read(source: StoredSource) -> Iterator[_Row]:
    """Yield the rows; an id that comes again gets its count as a suffix."""
    seen: Counter[str] = Counter()
    # Public copies repeat each row up to a hundred times: keep one string for all of them.
    interned: dict[str, str] = {}
    for number, raw in enumerate(parse_rows(source, open_rows(source))):
        row_id = raw.row_id or f"row-{number}"
        seen[row_id] += 1
        if seen[row_id] > 1:
            row_id = f"{row_id}#{seen[row_id]}"
        problem, answer = raw.problem or "", raw.answer or ""
        yield _Row(
            row_id, interned.setdefault(problem, problem), interned.setdefault(answer, answer)
        )
