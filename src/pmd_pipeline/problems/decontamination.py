"""Train problems that are copies of evaluation problems."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

import pandas as pd

from pmd_pipeline.problems.tables import OVERLAPS_EVAL, dropped_rows, refuse_empty_sets
from pmd_pipeline.problems.text import copy_key, words
from pmd_pipeline.problems.turns import whole_text

OVERLAP_COLUMNS = (
    "problem_id",
    "eval_problem_id",
    "eval_set",
    "rule",
    "overlap_fraction",
)

# An evaluation problem with fewer words than an n-gram is looked for as a whole; with fewer words
# than this it is too common a phrase, and only the exact rule applies.
SHORTEST_NGRAM_WORDS = 8

Ngram = tuple[str, ...]


class _Overlap(NamedTuple):
    eval_row: int
    rule: Literal["exact", "ngram"]
    fraction: float


def drop_eval_overlaps(
    table: pd.DataFrame,
    *,
    ngram_words: int,
    overlap_fraction: float,
    exact_sets: Collection[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table without contaminated train problems, and a table of those.

    A train problem is a copy of an evaluation problem when their texts are the same but for
    typesetting and case (rule ``exact``), or when at least ``overlap_fraction`` of the evaluation
    problem's distinct word n-grams occur in it (rule ``ngram``). A share, and not a single common
    n-gram, because stock phrases ("where m and n are relatively prime positive integers, find")
    are longer than any usual n. For the same reason an n-gram that most problems of an evaluation
    set hold does not count: it is the set's instruction.

    Of a problem given as a chat, the exact rule takes all turns but the system's, the n-gram rule
    the last user turn alone: worked examples before it may be the same throughout.

    Args:
        table: Clean problems of all sets.
        ngram_words: Words of an n-gram.
        overlap_fraction: Over 0, at most 1.
        exact_sets: Evaluation sets that the exact rule alone is for: a generator's problems are
            alike but for a number or a word, and yet different problems.

    Returns:
        The problems kept, and one row per train problem dropped with the evaluation problem that
        it is closest to (``OVERLAP_COLUMNS``).

    Raises:
        ProblemSourceError: If no train problem is left.
    """
    evals = table[table["split"] == "eval"]
    train = table[table["split"] == "train"]
    index = _EvalIndex(evals, ngram_words, exact_sets)
    rows = []
    for problem_id, text, whole in zip(
        train["problem_id"], train["problem"], _whole_texts(train), strict=True
    ):
        overlap = index.closest(text, whole)
        if overlap is not None and overlap.fraction >= overlap_fraction:
            match = evals.iloc[overlap.eval_row]
            rows.append(
                (problem_id, match["problem_id"], match["source"], overlap.rule, overlap.fraction)
            )
    overlaps = pd.DataFrame(rows, columns=list(OVERLAP_COLUMNS)).astype(
        {column: float if column == "overlap_fraction" else object for column in OVERLAP_COLUMNS}
    )
    contaminated = table["problem_id"].isin(overlaps["problem_id"])
    kept = table[~contaminated].reset_index(drop=True)
    refuse_empty_sets(table, kept, dropped_rows(table[contaminated], OVERLAPS_EVAL))
    return kept, overlaps


class _EvalIndex:
    """Where each n-gram of the evaluation problems occurs."""

    def __init__(self, evals: pd.DataFrame, ngram_words: int, exact_sets: Collection[str]) -> None:
        self._row_of_key = {
            copy_key(text): row for row, text in reversed([*enumerate(_whole_texts(evals))])
        }
        self._rows_of_ngram: dict[Ngram, list[int]] = defaultdict(list)
        self._num_ngrams = [0] * len(evals)
        set_names = evals["source"].to_numpy()
        ngrams = [_ngrams_of(text, ngram_words) for text in evals["problem"]]
        for name in dict.fromkeys(set_names):
            rows = [row for row, of_set in enumerate(set_names) if of_set == name]
            if name not in exact_sets:
                self._add_set(rows, [ngrams[row] for row in rows])
        self._lengths = sorted({len(ngram) for ngram in self._rows_of_ngram})

    def _add_set(self, rows: list[int], ngrams: list[set[Ngram]]) -> None:
        counts = Counter(ngram for of_problem in ngrams for ngram in of_problem)
        most = max(1, len(rows) / 2)
        for row, of_problem in zip(rows, ngrams, strict=True):
            telling = [ngram for ngram in of_problem if counts[ngram] <= most]
            for ngram in telling:
                self._rows_of_ngram[ngram].append(row)
            self._num_ngrams[row] = len(telling)

    def closest(self, text: str, whole_text: str) -> _Overlap | None:
        """Return the evaluation problem with the largest overlap; of equals the first."""
        row = self._row_of_key.get(copy_key(whole_text))
        if row is not None:
            return _Overlap(row, "exact", 1.0)
        text_words = words(text)
        shared: Counter[int] = Counter()
        for length in self._lengths:
            for ngram in set(_ngrams(text_words, length)) & self._rows_of_ngram.keys():
                shared.update(self._rows_of_ngram[ngram])
        if not shared:
            return None
        fractions = {row: count / self._num_ngrams[row] for row, count in shared.items()}
        best = min(fractions, key=lambda row: (-fractions[row], row))
        return _Overlap(best, "ngram", fractions[best])


def _whole_texts(table: pd.DataFrame) -> list[str]:
    return [
        whole_text(problem, turns)
        for problem, turns in zip(table["problem"], table["turns"], strict=True)
    ]


def _ngrams_of(text: str, ngram_words: int) -> set[Ngram]:
    """Return an evaluation problem's n-grams: a short one is looked for as a whole."""
    text_words = words(text)
    if len(text_words) < SHORTEST_NGRAM_WORDS:
        return set()
    return set(_ngrams(text_words, min(ngram_words, len(text_words))))


def _ngrams(text_words: list[str], length: int) -> Iterator[Ngram]:
    for start in range(len(text_words) - length + 1):
        yield tuple(text_words[start : start + length])
