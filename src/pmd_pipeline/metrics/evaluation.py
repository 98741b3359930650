"""From a table of graded completions to avg@k, pass@k and maj@k with intervals."""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pmd_pipeline.metrics.estimators import average_at_k, pass_at_k
from pmd_pipeline.metrics.intervals import interval_over_problems
from pmd_pipeline.metrics.majority import majority_at_k

COMPLETION_COLUMNS = (
    "problem_id",
    "sample_index",
    "answer",
    "correct",
    "truncated",
    "num_tokens",
)
METRICS = (
    "avg_at_k",
    "mean_reward",
    "pass_at_k",
    "maj_at_k",
    "truncated_fraction",
    "mean_response_tokens",
)
_Ballot = tuple[tuple[int | None, ...], tuple[bool, ...]]
_READ_COLUMNS = (*COMPLETION_COLUMNS, "reward")
EVALUATION_COLUMNS = ("metric", "k", "value", "ci_low", "ci_high")


def evaluate_completions(
    completions: pd.DataFrame, *, level: float = 0.95, has_answers: bool = True
) -> pd.DataFrame:
    """Return the metrics of an evaluation set with intervals over its problems.

    Rows, each a mean over problems:

    - ``avg_at_k`` for k = n, all samples (avg@k has the same expectation for every k);
    - ``pass_at_k`` and ``maj_at_k`` for k = 1, 2, 4, ... below n, and n;
    - ``truncated_fraction`` and ``mean_response_tokens``, k = n.

    Where it is not known which responses are right, ``mean_reward``, k = n, takes the place of the
    first three.

    Args:
        completions: One row per sample with the columns ``problem_id``, ``sample_index``,
            ``answer`` (the vote in maj@k; missing where there is none), ``correct`` (missing
            where it is not known; then ``reward`` is needed too), ``truncated`` and
            ``num_tokens``. Other columns and the order of rows do not matter.
        level: Of the intervals.
        has_answers: False where the reward names no answers: maj@k is left out.

    Returns:
        A table with the columns ``metric, k, value, ci_low, ci_high``; see
        `intervals.interval_over_problems`.

    Raises:
        ValueError: If a column is missing or holds unusable values, the table is empty, a sample
            stands twice, or problems have different numbers of samples.
    """
    per_problem = evaluate_problems(completions, has_answers=has_answers)
    rows = []
    for (metric, k), values in per_problem.groupby(["metric", "k"], sort=False)["value"]:
        interval = interval_over_problems(str(metric), values.to_numpy(), level)
        rows.append((metric, k, interval.value, interval.low, interval.high))
    return pd.DataFrame(rows, columns=list(EVALUATION_COLUMNS))


def evaluate_problems(completions: pd.DataFrame, *, has_answers: bool = True) -> pd.DataFrame:
    """Return each problem's metrics: a row per metric, k and problem.

    The input and the metrics are those of ``evaluate_completions``.

    Returns:
        A table with the columns ``metric, k, problem_id, value``, problems in sorted order.

    Raises:
        ValueError: As ``evaluate_completions``.
    """
    table = _checked_completions(completions)
    num_samples = _num_samples(table)
    table = table.sort_values(["problem_id", "sample_index"], kind="stable")
    problem_ids = table["problem_id"].to_numpy()[::num_samples]
    parts = [
        pd.DataFrame({"metric": metric, "k": k, "problem_id": problem_ids, "value": values})
        for metric, k, values in _measured(table, num_samples, has_answers)
    ]
    return pd.concat(parts, ignore_index=True)


def is_judged(completions: pd.DataFrame) -> bool:
    """Return whether it is known of every completion that it is right or wrong."""
    return bool(completions["correct"].notna().all())


def _measured(
    table: pd.DataFrame, n: int, has_answers: bool
) -> Iterator[tuple[str, int, Sequence[float] | NDArray[np.float64]]]:
    """Yield metric, k and a value per problem, in the order of ``METRICS`` and k ascending."""

    def means(column: str) -> NDArray[np.float64]:
        cells: NDArray[np.float64] = table[column].to_numpy(dtype=np.float64).reshape(-1, n)
        return np.asarray(cells.mean(axis=1))

    if is_judged(table):
        yield from _correctness(table, n, has_answers)
    else:
        yield "mean_reward", n, means("reward")
    yield "truncated_fraction", n, means("truncated")
    yield "mean_response_tokens", n, means("num_tokens")


def _correctness(
    table: pd.DataFrame, n: int, has_answers: bool
) -> Iterator[tuple[str, int, Sequence[float]]]:
    correct = table["correct"].to_numpy(dtype=bool).reshape(-1, n)
    num_correct = correct.sum(axis=1).tolist()
    ks = _powers_of_two(n)
    yield "avg_at_k", n, [average_at_k(n, c, n) for c in num_correct]
    for k in ks:
        of_count = {c: pass_at_k(n, c, k) for c in set(num_correct)}
        yield "pass_at_k", k, [of_count[c] for c in num_correct]
    if not has_answers:
        return
    ballots = [
        _ballot(answers, marks)
        for answers, marks in zip(
            table["answer"].astype(object).to_numpy().reshape(-1, n), correct.tolist(), strict=True
        )
    ]
    for k in ks:
        yield "maj_at_k", k, [_elected(ballot, k) for ballot in ballots]


# Many problems of few samples are voted on alike, by every policy.
@lru_cache(maxsize=4096)
def _elected(ballot: _Ballot, k: int) -> float:
    return majority_at_k(*ballot, k)


def _ballot(answers: NDArray[np.object_], marks: list[bool]) -> _Ballot:
    """Return votes by number, in order of appearance, and which are right."""
    numbers: dict[object, int] = {}
    votes = (
        None if pd.isna(answer) else numbers.setdefault(answer, len(numbers)) for answer in answers
    )
    return tuple(votes), tuple(marks)


def _powers_of_two(num_samples: int) -> Sequence[int]:
    below = [2**i for i in range(num_samples.bit_length()) if 2**i < num_samples]
    return [*below, num_samples]


def _checked_completions(completions: pd.DataFrame) -> pd.DataFrame:
    missing = [column for column in COMPLETION_COLUMNS if column not in completions.columns]
    if missing:
        raise ValueError(
            f"the table of completions lacks the columns {missing}; it has "
            f"{list(completions.columns)}"
        )
    if completions.empty:
        raise ValueError("the table of completions is empty: there is nothing to evaluate")
    table = completions.loc[:, [c for c in completions.columns if c in _READ_COLUMNS]].copy()
    complete = ["problem_id", "sample_index", "truncated", "num_tokens"]
    if not is_judged(table):
        if "reward" not in table.columns:
            raise ValueError(
                "which responses are right is not known for all completions, and there is no "
                "column 'reward' to measure instead"
            )
        complete.append("reward")
    for column in complete:
        if table[column].isna().any():
            raise ValueError(
                f"column {column!r} has {int(table[column].isna().sum())} missing values; only "
                "`answer` and `correct` may be missing"
            )
    for column in ("correct", "truncated"):
        known = table[column].dropna()
        if not known.isin([0, 1]).all():
            wrong = known[~known.isin([0, 1])].iloc[0]
            raise ValueError(f"column {column!r} must hold True and False, found {wrong}")
        if len(known) == len(table):
            table[column] = table[column].astype(bool)
    tokens = pd.to_numeric(table["num_tokens"], errors="coerce").to_numpy(dtype=np.float64)
    if not (np.isfinite(tokens) & (tokens >= 0)).all():
        raise ValueError("column 'num_tokens' must hold counts of tokens, 0 or more")
    repeated = table.duplicated(["problem_id", "sample_index"])
    if repeated.any():
        first = table.loc[repeated].iloc[0]
        raise ValueError(
            f"{int(repeated.sum())} samples stand more than once, first sample "
            f"{first['sample_index']} of problem {first['problem_id']!r}: drop the copies"
        )
    return table


def _num_samples(table: pd.DataFrame) -> int:
    counts = table.groupby("problem_id", sort=True).size()
    expected = int(counts.max())
    ragged = counts[counts != expected]
    if not ragged.empty:
        raise ValueError(
            f"every problem needs as many samples; most in one problem are {expected}, but "
            f"{len(ragged)} problems have fewer, first {ragged.index[0]!r} with {ragged.iloc[0]}: "
            "complete the evaluation"
        )
    return expected
