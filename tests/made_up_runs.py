"""Completions and scores of made-up training runs."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pmd_pipeline.metrics.problem_scores import INITIAL_POLICY, PROBLEM_SCORE_COLUMNS


def made_up_completions(
    num_correct: Sequence[int], *, k: int = 4, eval_set: str = "aime"
) -> pd.DataFrame:
    """Return k graded samples per problem, of which so many are right; wrong ones all differ."""
    rows = [
        {
            "eval_set": eval_set,
            "problem_id": f"p{problem:04d}",
            "sample_index": sample,
            "answer": "right" if sample < count else f"wrong {sample}",
            "correct": sample < count,
            "reward": 2.0 * (sample < count) - 1.0,
            "truncated": sample == k - 1,
            "num_tokens": 10 + sample,
        }
        for problem, count in enumerate(num_correct)
        for sample in range(k)
    ]
    return pd.DataFrame(rows)


def made_up_scores(
    tables: Mapping[str, np.ndarray],
    initial: np.ndarray,
    *,
    eval_set: str = "aime",
    metric: str = "avg_at_k",
    seeds: Mapping[str, Sequence[int]] | None = None,
) -> pd.DataFrame:
    """Return a table of problem scores.

    Args:
        tables: By algorithm, scores of its last round, [S, P].
        initial: Of the initial policy, [P].
        eval_set: On which set.
        metric: What is scored.
        seeds: By algorithm, training seeds; from 0 on where not given.
    """
    parts = [_rows(INITIAL_POLICY, pd.NA, 0, initial)]
    for algorithm, table in tables.items():
        names = range(len(table)) if seeds is None else seeds[algorithm]
        parts += [_rows(algorithm, seed, 1, row) for seed, row in zip(names, table, strict=True)]
    scores = pd.concat(parts, ignore_index=True).assign(eval_set=eval_set, metric=metric, k=4)
    return scores.astype({"seed": "Int64"})[list(PROBLEM_SCORE_COLUMNS)]


def _rows(algorithm: str, seed: object, round_index: int, values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "algorithm": algorithm,
            "seed": seed,
            "round": round_index,
            "problem_id": [f"p{i:04d}" for i in range(len(values))],
            "value": values,
        }
    )
