"""Differences between policies that answered the same problems."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pmd_pipeline.metrics.evaluation import is_judged
from pmd_pipeline.statistics.problem_bootstrap import paired_difference_interval

# A space keeps it apart from every algorithm's label.
INITIAL_POLICY = "initial policy"
GAIN_COLUMNS = ("algorithm", "against", "eval_set", "k", "gain", "ci_low", "ci_high")

_PROBLEM = ["eval_set", "problem_id"]


def paired_gains(
    initial_completions: pd.DataFrame,
    final_completions: Mapping[str, pd.DataFrame],
    *,
    reference: str | None,
    seed: int,
    level: float = 0.95,
    num_resamples: int = 2000,
) -> pd.DataFrame:
    """Return each algorithm's avg@k minus the initial policy's and minus the reference's.

    Where it is not known which responses are right, the mean reward takes its place.

    The differences are taken problem by problem, and their intervals are bootstrapped over
    problems.

    Args:
        initial_completions: Of the initial policy: columns ``eval_set, problem_id, correct``, k
            rows per problem; and ``reward``, which is compared where it is not known which
            responses are right.
        final_completions: The same of each algorithm's final policy, by label.
        reference: The algorithm that the others are compared with; None, or a label that is not
            among them, for no such comparison.
        seed: Decides the resamples.
        level: Of the intervals, in (0, 1).
        num_resamples: Bootstrap resamples.

    Returns:
        A table of ``GAIN_COLUMNS``: gains over the initial policy first, algorithms in their
        order; ``gain`` is a difference of 0-1 quantities, or of mean rewards.

    Raises:
        ValueError: If two policies answered different problems or different numbers of samples.
    """
    tables = [initial_completions, *final_completions.values()]
    score = "correct" if all(map(is_judged, tables)) else "reward"
    scores = {name: _problem_scores(table, score) for name, table in final_completions.items()}
    scores_of_initial = _problem_scores(initial_completions, score)
    pairs = [(name, INITIAL_POLICY, scores[name], scores_of_initial) for name in scores]
    if reference is not None and reference in scores:
        pairs += [
            (name, reference, scores[name], scores[reference])
            for name in scores
            if name != reference
        ]
    rows = []
    for algorithm, against, ours, theirs in pairs:
        _refuse_other_problems(algorithm, ours, against, theirs)
        for eval_set in ours.index.unique("eval_set"):
            # Sorted, because the resamples are drawn by position.
            mine = ours.xs(eval_set, level="eval_set").sort_index()
            other = theirs.xs(eval_set, level="eval_set").loc[mine.index]
            interval = paired_difference_interval(
                mine["mean"].to_numpy(dtype=np.float64),
                other["mean"].to_numpy(dtype=np.float64),
                seed=seed,
                level=level,
                num_resamples=num_resamples,
            )
            k = int(mine["count"].max())
            rows.append(
                (algorithm, against, eval_set, k, interval.value, interval.low, interval.high)
            )
    return pd.DataFrame(rows, columns=list(GAIN_COLUMNS))


def _problem_scores(completions: pd.DataFrame, score: str) -> pd.DataFrame:
    scored = completions.assign(score=completions[score].astype(float))
    return scored.groupby(_PROBLEM, sort=False)["score"].agg(["mean", "count"])


def _refuse_other_problems(
    algorithm: str, ours: pd.DataFrame, against: str, theirs: pd.DataFrame
) -> None:
    if set(ours.index) != set(theirs.index):
        example = sorted(set(ours.index) ^ set(theirs.index))[0]
        raise ValueError(
            f"{algorithm} and {against} answered different problems, for example {example}; "
            "evaluate both on the same data"
        )
    counts = ours["count"] != theirs["count"].reindex(ours.index)
    if counts.any():
        raise ValueError(
            f"{algorithm} and {against} answered problem {ours.index[counts][0]} with different "
            "numbers of samples; evaluate both with the same evaluation.num_samples"
        )
