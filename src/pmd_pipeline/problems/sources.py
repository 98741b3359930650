"""From a configured source to a raw problem table."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import assert_never

import numpy as np
import pandas as pd

from pmd_pipeline.config.data_preparation import (
    TRAIN_SET,
    AnyStoredSource,
    DataPreparationConfig,
    GeneratedAdditionSource,
    GeneratedSource,
    ProblemSource,
    ReasoningGymSource,
    StoredSource,
)
from pmd_pipeline.problems.addition import generate_additions
from pmd_pipeline.problems.generated import make_problems
from pmd_pipeline.problems.gym.draw import draw_problems
from pmd_pipeline.problems.stored.layouts import RawProblem, parse_rows
from pmd_pipeline.problems.stored.rows import open_rows
from pmd_pipeline.problems.tables import problems_to_table
from pmd_pipeline.records import Problem


def load_problems(config: DataPreparationConfig, *, seed: int) -> pd.DataFrame:
    """Return the rows of all sources as they came, train first; missing values are empty texts.

    Raises:
        ProblemSourceError: If a source cannot be read or holds what cannot be right.
    """
    return problems_to_table(
        problem
        for set_name in config.set_names()
        for problem in _load_set(
            config.source_of(set_name), set_name, seed, config.key_of(set_name)
        )
    )


def brought_here(
    config: DataPreparationConfig, bring: Callable[[str], Path]
) -> DataPreparationConfig:
    """Return the configuration with a local file in the place of each address.

    Args:
        config: The sources.
        bring: Returns the path of a copy of what is at an address.
    """

    def local(source: ProblemSource) -> ProblemSource:
        if not isinstance(source, StoredSource) or source.address is None:
            return source
        return source.model_copy(update={"path": str(bring(source.address))})

    evals = {name: local(source) for name, source in config.evals.items()}
    return config.model_copy(update={"train": local(config.train), "evals": evals})


def first_problem(
    config: DataPreparationConfig, *, seed: int, set_name: str = TRAIN_SET
) -> Problem | None:
    """Return a set's first problem as it came; None where it would have to be downloaded.

    Of a generated set a single problem is made.

    Raises:
        ProblemSourceError: If the source cannot be read or holds what cannot be right.
    """
    source = config.source_of(set_name)
    if isinstance(source, StoredSource):
        if source.path is None or source.address is not None:
            return None
    else:
        source = source.model_copy(update={"num_problems": 1})
    return next(_load_set(source, set_name, seed, config.key_of(set_name)), None)


def set_generator(seed: int, set_name: str) -> np.random.Generator:
    """Return the random generator of one set, so that further sets do not change its draws."""
    return np.random.default_rng(_set_seed(seed, set_name))


def _set_seed(seed: int, set_name: str) -> Sequence[int]:
    return [seed, zlib.crc32(set_name.encode())]


def _load_set(source: ProblemSource, set_name: str, seed: int, key: str) -> Iterator[Problem]:
    is_train = set_name == TRAIN_SET
    name, split = (source.kind, "train") if is_train else (set_name, "eval")
    for raw in _raw_problems(source, set_name, seed, key):
        yield Problem(
            problem_id=f"{set_name}/{raw.row_id}",
            problem=raw.problem or "",
            answer=raw.answer or "",
            source=name,
            split=split,
            metadata=raw.metadata,
            turns=tuple(raw.turns),
        )


def _raw_problems(
    source: ProblemSource, set_name: str, seed: int, key: str
) -> Iterable[RawProblem]:
    match source:
        case GeneratedAdditionSource():
            return _additions(source, set_name, seed)
        case GeneratedSource():
            return make_problems(source, set_name=set_name, seed=seed, key=key)
        case ReasoningGymSource():
            return draw_problems(source, set_name=set_name, seed=seed, key=key)
        case StoredSource():
            return _stored_problems(source)
        case _:
            assert_never(source)


def _additions(source: GeneratedAdditionSource, set_name: str, seed: int) -> Iterator[RawProblem]:
    for problem in generate_additions(
        _set_seed(seed, set_name),
        source.num_problems,
        held_out=set_name != TRAIN_SET,
        widths=source.operand_widths,
    ):
        yield RawProblem(problem.problem_id, problem.problem, problem.answer, problem.metadata)


def _stored_problems(source: AnyStoredSource) -> Iterator[RawProblem]:
    # Public copies repeat each row up to a hundred times: keep one string for all of them.
    interned: dict[str | None, str | None] = {}
    for raw in parse_rows(source, open_rows(source)):
        yield raw._replace(
            problem=interned.setdefault(raw.problem, raw.problem),
            answer=interned.setdefault(raw.answer, raw.answer),
        )
