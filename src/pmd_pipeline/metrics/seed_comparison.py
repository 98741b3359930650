"""The comparison table over training seeds: what each algorithm's policies scored."""

import pandas as pd

from pmd_pipeline.metrics.comparison import COMPARISON_COLUMNS
from pmd_pipeline.metrics.intervals import interval_over_seeds
from pmd_pipeline.metrics.problem_scores import INITIAL_POLICY, score_arrays


def compare_over_seeds(scores: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Return one row per algorithm, evaluation set, metric, k and evaluated round.

    A value is the mean over training seeds and problems; its interval covers both. With one seed,
    and of the initial policy, which is round 0 of every algorithm, it covers problems alone.

    Args:
        scores: As `problem_scores.problem_scores` returns them.
        level: Of the intervals, in (0, 1).

    Returns:
        A table of ``COMPARISON_COLUMNS``, in the order of `comparison.build_comparison`. No value
        is rounded.
    """
    measured = {
        key: (
            *(key.eval_set, key.metric, key.k, key.round),
            *interval_over_seeds(key.metric, of_seeds.table, level),
        )
        for key, of_seeds in score_arrays(scores).items()
    }
    algorithms = [name for name in scores["algorithm"].unique() if name != INITIAL_POLICY]
    rows = [
        (algorithm, *row)
        for algorithm in algorithms
        for key, row in measured.items()
        if key.algorithm in (INITIAL_POLICY, algorithm)
    ]
    return pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
