"""From a table of graded completions to avg@k, pass@k and maj@k with intervals."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from pmd_pipeline.metrics.estimators import average_at_k, pass_at_k
from pmd_pipeline.metrics.majority import majority_at_k
from pmd_pipeline.statistics.problem_bootstrap import bootstrap_interval

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
_READ_COLUMNS = (*COMPLETION_COLUMNS, "reward")
EVALUATION_COLUMNS = ("metric", "k", "value", "ci_low", "ci_high")


def evaluate_completions(
    completions: pd.DataFrame,
    *,
    seed: int = 0,
    num_resamples: int = 10_000,
    level: float = 0.95,
    has_answers: bool = True,
) -> pd.DataFrame:
    """Return the metrics of an evaluation set with bootstrap intervals over its problems.

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
        seed: Of the bootstrap; one seed resamples the same problems for every metric.
        num_resamples: Of the bootstrap.
        level: Of the intervals.
        has_answers: False where the reward names no answers: maj@k is left out.

    Returns:
        A table with the columns ``metric, k, value, ci_low, ci_high``.

    Raises:
        ValueError: If a column is missing or holds unusable values, the table is empty, a sample
            stands twice, or problems have different numbers of samples.
    """
    per_problem = evaluate_problems(completions, has_answers=has_answers)
    rows = []
    for (metric, k), values in per_problem.groupby(["metric", "k"], sort=False)["value"]:
        interval = bootstrap_interval(values.to_numpy(), seed, num_resamples, level)
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
    ks = _powers_of_two(_num_samples(table))
    judged = is_judged(table)
    rows: list[tuple[str, int, object, float]] = []
    for problem_id, samples in table.groupby("problem_id", sort=True):
        for metric, k, value in _problem_metrics(samples, ks, judged, has_answers):
            rows.append((metric, k, problem_id, value))
    found = pd.DataFrame(rows, columns=["metric", "k", "problem_id", "value"])
    order = {metric: i for i, metric in enumerate(METRICS)}
    return found.sort_values(
        ["metric", "k"],
        key=lambda column: column.map(order) if column.name == "metric" else column,
        kind="stable",
    ).reset_index(drop=True)


def is_judged(completions: pd.DataFrame) -> bool:
    """Return whether it is known of every completion that it is right or wrong."""
    return bool(completions["correct"].notna().all())


def _problem_metrics(
    samples: pd.DataFrame, ks: Sequence[int], judged: bool, has_answers: bool
) -> Iterator[tuple[str, int, float]]:
    n = len(samples)
    if judged:
        yield from _correctness(samples, ks, has_answers)
    else:
        yield "mean_reward", n, float(samples["reward"].mean())
    yield "truncated_fraction", n, float(samples["truncated"].mean())
    yield "mean_response_tokens", n, float(samples["num_tokens"].mean())


def _correctness(
    samples: pd.DataFrame, ks: Sequence[int], has_answers: bool
) -> Iterator[tuple[str, int, float]]:
    n = len(samples)
    correct: list[bool] = samples["correct"].tolist()
    num_correct = sum(correct)
    answers = [None if pd.isna(answer) else answer for answer in samples["answer"]]
    yield "avg_at_k", n, average_at_k(n, num_correct, n)
    for k in ks:
        yield "pass_at_k", k, pass_at_k(n, num_correct, k)
        if has_answers:
            yield "maj_at_k", k, majority_at_k(answers, correct, k)


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
