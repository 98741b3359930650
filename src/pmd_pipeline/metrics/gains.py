"""Differences to the initial policy and to one algorithm, on the same problems."""

from collections.abc import Iterator

import pandas as pd

from pmd_pipeline.metrics.problem_scores import INITIAL_POLICY, FinalScores, final_scores

GAIN_COLUMNS = ("algorithm", "against", "eval_set", "k", "gain", "ci_low", "ci_high")
_Row = tuple[str, str, str, int, float, float, float]


def paired_gains(
    scores: pd.DataFrame, *, reference: str | None, level: float = 0.95
) -> pd.DataFrame:
    """Return each algorithm's avg@k minus the initial policy's and minus the reference's.

    Where it is not known which responses are right, the mean reward takes its place. Differences
    are taken seed by seed and problem by problem; intervals cover training seeds and problems, with
    one seed problems alone.

    Args:
        scores: As `problem_scores.problem_scores` returns them.
        reference: The algorithm that the others are compared with, on the training seeds of both;
            None, or a label that is not among them, for no such comparison.
        level: Of the intervals, in (0, 1).

    Returns:
        A table of ``GAIN_COLUMNS``: gains over the initial policy first, algorithms in their
        order; ``gain`` is a difference of 0-1 quantities, or of mean rewards.

    Raises:
        ValueError: If an algorithm has no training seed in common with the reference.
    """
    finals = list(final_scores(scores))
    against = [None] if reference is None else [None, reference]
    rows = [row for other in against for final in finals for row in _rows(final, other, level)]
    order = {name: i for i, name in enumerate(scores["algorithm"].unique())}
    rows.sort(key=lambda row: (row[1] != INITIAL_POLICY, order[row[0]]))
    return pd.DataFrame(rows, columns=list(GAIN_COLUMNS))


def _rows(final: FinalScores, reference: str | None, level: float) -> Iterator[_Row]:
    # It imports scipy, which what names the pipelines' nodes must not.
    from pmd_pipeline.statistics.two_level import two_level_estimate

    if reference is not None and reference not in final.by_algorithm:
        return
    for algorithm, mine in final.by_algorithm.items():
        if algorithm == reference:
            continue
        if reference is None:
            differences = mine.table - final.initial
        else:
            ours, theirs = final.shared(algorithm, reference)
            differences = ours - theirs
        gain = two_level_estimate(differences).interval(level)
        yield (algorithm, reference or INITIAL_POLICY, final.eval_set, final.k, *gain)
