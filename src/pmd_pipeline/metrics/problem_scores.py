"""What every policy of a run scored on every problem: the cells that comparisons are made of."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pmd_pipeline.metrics.comparison import headline_metric
from pmd_pipeline.metrics.evaluation import evaluate_problems
from pmd_pipeline.statistics.scores import of_shared_seeds

# A space keeps it apart from every algorithm's label.
INITIAL_POLICY = "initial policy"
PROBLEM_SCORE_COLUMNS = (
    "algorithm",
    "seed",
    "round",
    "eval_set",
    "metric",
    "k",
    "problem_id",
    "value",
)
_POLICY = ["algorithm", "seed", "round"]
_MEASURED = ["eval_set", "metric", "k", "problem_id"]


class Measurement(NamedTuple):
    """What was measured, and when.

    Attributes:
        algorithm: A label, or ``INITIAL_POLICY``.
        round: How many rounds the policies have seen; 0 for the initial policy.
        eval_set: On which problems.
        metric: One of ``METRICS``.
        k: Of the metric.
    """

    algorithm: str
    round: int
    eval_set: str
    metric: str
    k: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedScores:
    """Scores of one algorithm's runs.

    Attributes:
        seeds: Training seeds, S of them; none for the initial policy, which has one row.
        table: A row per training seed, a column per problem, [S, P].
    """

    seeds: tuple[int, ...]
    table: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalScores:
    """What policies are compared by, on one evaluation set, after their last evaluated round.

    Attributes:
        eval_set: The set.
        metric: ``"avg_at_k"``; ``"mean_reward"`` where it is not known which responses are right.
        k: Of the metric.
        initial: Of the initial policy, [P].
        by_algorithm: Of each algorithm.
    """

    eval_set: str
    metric: str
    k: int
    initial: NDArray[np.float64]
    by_algorithm: Mapping[str, SeedScores]

    def shared(self, first: str, second: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the scores of two algorithms on the training seeds of both, [S, P] each.

        Raises:
            ValueError: If they have none in common.
        """
        ours, theirs = self.by_algorithm[first], self.by_algorithm[second]
        return of_shared_seeds(
            ours.table, theirs.table, (ours.seeds, theirs.seeds), (first, second)
        )


def problem_scores(
    initial: pd.DataFrame,
    completions: Mapping[tuple[str, int], pd.DataFrame],
    *,
    has_answers: bool,
) -> pd.DataFrame:
    """Return a row per policy, metric, k and problem, of all training runs.

    Args:
        initial: As for `initial_scores`.
        completions: By algorithm and training seed, as for `run_scores`.
        has_answers: As for ``evaluate_completions``.

    Returns:
        As of `join_scores`.

    Raises:
        ValueError: As by `join_scores`.
    """
    return join_scores(
        initial_scores(initial, has_answers=has_answers),
        [
            run_scores(table, algorithm, seed, has_answers=has_answers)
            for (algorithm, seed), table in completions.items()
        ],
    )


def initial_scores(completions: pd.DataFrame, *, has_answers: bool) -> pd.DataFrame:
    """Return a row per metric, k and problem, of the initial policy: round 0, with no seed.

    Args:
        completions: Graded, with a column ``eval_set`` beside those of
            `evaluation.evaluate_completions`; answers are what they vote for.
        has_answers: As for ``evaluate_completions``.
    """
    return _in_columns(
        _score(completions, has_answers).assign(algorithm=INITIAL_POLICY, seed=None, round=0)
    )


def run_scores(
    completions: pd.DataFrame, algorithm: str, seed: int, *, has_answers: bool
) -> pd.DataFrame:
    """Return a row per evaluated round, metric, k and problem, of one training run.

    Args:
        completions: As for `initial_scores`, of all evaluated rounds, with a column ``round``.
        algorithm: Its label.
        seed: Its training seed.
        has_answers: As for ``evaluate_completions``.
    """
    parts = [
        _score(rows, has_answers).assign(algorithm=algorithm, seed=seed, round=round_index)
        for round_index, rows in completions.groupby("round", sort=True)
    ]
    return _in_columns(pd.concat(parts, ignore_index=True))


def join_scores(initial: pd.DataFrame, others: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the scores of all policies, in one order.

    Args:
        initial: The `initial_scores`.
        others: The `run_scores` of training runs, of one or of several in a table.

    Returns:
        A table of ``PROBLEM_SCORE_COLUMNS``. The initial policy comes first; then training runs in
        their order, rounds ascending, evaluation sets and metrics as of the initial policy,
        problems in sorted order.

    Raises:
        ValueError: If a policy answered other problems or with other numbers of samples than the
            initial one, or there is no training run.
    """
    parts = [initial]
    for table in others:
        for (algorithm, seed, round_index), rows in table.groupby(_POLICY, sort=False):
            where = f"{algorithm}, seed {seed}, round {round_index}"
            parts.append(_in_order_of(initial, rows.reset_index(drop=True), where))
    if len(parts) == 1:
        raise ValueError("no training run to compare; train an algorithm (training.algorithms)")
    return _in_columns(pd.concat(parts, ignore_index=True))


def score_arrays(scores: pd.DataFrame) -> dict[Measurement, SeedScores]:
    """Return the scores as arrays, in the order of the table.

    Args:
        scores: As `problem_scores` returns them.

    Raises:
        ValueError: If runs of one algorithm answered different problems.
    """
    arrays = {}
    for values, rows in scores.groupby(list(Measurement._fields), sort=False):
        key = Measurement._make(cast(tuple[Any, ...], values))
        seeds = tuple(int(seed) for seed in rows["seed"].dropna().unique())
        cells = rows["value"].to_numpy(dtype=np.float64)
        num_rows = max(len(seeds), 1)
        if len(cells) % num_rows or rows["problem_id"].nunique() * num_rows != len(cells):
            raise ValueError(f"{key}: the runs answered different problems")
        arrays[key] = SeedScores(seeds=seeds, table=cells.reshape(num_rows, -1))
    return arrays


def final_scores(scores: pd.DataFrame) -> Iterator[FinalScores]:
    """Yield what policies are compared by, per evaluation set.

    Args:
        scores: As `problem_scores` returns them.
    """
    last = scores.groupby("algorithm", sort=False)["round"].max().drop(INITIAL_POLICY)
    is_last = scores["round"] == scores["algorithm"].map({**last, INITIAL_POLICY: 0})
    for eval_set, rows in scores[is_last].groupby("eval_set", sort=False):
        compared = rows[rows["metric"] == headline_metric(rows)]
        by_policy = {key.algorithm: value for key, value in score_arrays(compared).items()}
        initial = by_policy.pop(INITIAL_POLICY)
        yield FinalScores(
            eval_set=str(eval_set),
            metric=str(compared["metric"].iloc[0]),
            k=int(compared["k"].iloc[0]),
            initial=initial.table[0],
            by_algorithm=by_policy,
        )


def _score(completions: pd.DataFrame, has_answers: bool) -> pd.DataFrame:
    parts = [
        evaluate_problems(rows, has_answers=has_answers).assign(eval_set=eval_set)
        for eval_set, rows in completions.groupby("eval_set", sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def _in_columns(scores: pd.DataFrame) -> pd.DataFrame:
    """Return scores with the columns and types of the table."""
    columns = scores[list(PROBLEM_SCORE_COLUMNS)]
    return columns.astype({"seed": "Int64", "round": "int64", "k": "int64"})


def _in_order_of(initial: pd.DataFrame, scores: pd.DataFrame, where: str) -> pd.DataFrame:
    """Return a policy's scores in the order of the initial policy's, or refuse other ones."""
    if len(scores) == len(initial) and (scores[_MEASURED] == initial[_MEASURED]).all(axis=None):
        return scores
    keys = pd.MultiIndex.from_frame(initial[_MEASURED])
    found = scores.set_index(_MEASURED)
    different = set(keys) ^ set(found.index)
    if different:
        eval_set, metric, k, problem = min(different)
        raise ValueError(
            f"{where}: not scored as the initial policy was, for example {metric} at k = {k} on "
            f"problem {problem!r} of {eval_set}; evaluate both on the same data with the same "
            "parameters"
        )
    return found.loc[keys].reset_index()
