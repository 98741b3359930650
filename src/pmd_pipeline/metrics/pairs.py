"""Every pair of algorithms compared: which is better, by how much, and how sure that is."""

from typing import Any

import pandas as pd

from pmd_pipeline.metrics.intervals import bounds_of
from pmd_pipeline.metrics.problem_scores import FinalScores, final_scores

PAIR_COLUMNS = (
    "eval_set",
    "metric",
    "k",
    "first",
    "second",
    "difference",
    "ci_low",
    "ci_high",
    "covers",
    "p_value",
    "p_value_holm",
    "sign_flip_p_value",
    "sign_flip_p_value_holm",
    "smallest_sign_flip_p_value",
    "equivalence_p_value",
    "equivalence_p_value_holm",
    "effect_size",
    "improvement",
    "improvement_ci_low",
    "improvement_ci_high",
    "num_collapsed_first",
    "num_collapsed_second",
    "collapse_p_value",
    "verdict",
    "one_seed_verdict",
    "margin",
    "alpha",
    "num_seeds",
    "num_problems",
    "seeds_to_tell",
    "difference_told",
    "difference_told_by_twice_the_seeds",
)
POWER = 0.8
"""Chance to be told that ``seeds_to_tell`` and ``difference_told`` promise."""


def compare_pairs(
    scores: pd.DataFrame, *, margin: float, alpha: float, level: float = 0.95
) -> pd.DataFrame:
    """Return every pair of algorithms compared on each evaluation set.

    Policies are compared after their last evaluated round, by avg@k or, where it is not known which
    responses are right, by mean reward, on the training seeds and problems of both. P-values of a
    set are corrected for its number of pairs.

    Args:
        scores: As `problem_scores.problem_scores` returns them.
        margin: The difference from which on one matters, in units of the scores.
        alpha: Level of the verdicts.
        level: Of the intervals, in (0, 1).

    Returns:
        A table of ``PAIR_COLUMNS``, each pair once, in the order of the algorithms; no row where
        there is one algorithm. ``verdict`` speaks of the first algorithm of a pair. With one
        training seed it is always "cannot be told", and ``one_seed_verdict``, which is missing
        otherwise, says how the two trained policies compare. ``seeds_to_tell`` is the least number
        of training seeds with which a true difference as large as the margin is told with a chance
        of ``POWER``, missing above a thousand; ``difference_told`` the least difference that these
        seeds and problems tell so, all at the level that Holm's correction asks of the first pair.

    Raises:
        ValueError: If two algorithms have no training seed in common, or an argument is out of
            range.
    """
    rows = [
        row
        for final in final_scores(scores)
        if len(final.by_algorithm) > 1
        for row in _of_eval_set(final, margin=margin, alpha=alpha, level=level)
    ]
    table = pd.DataFrame(rows, columns=list(PAIR_COLUMNS))
    counts = ["num_collapsed_first", "num_collapsed_second", "num_seeds", "num_problems", "k"]
    floats = ["effect_size", "difference_told", "difference_told_by_twice_the_seeds"]
    return table.astype(
        dict.fromkeys(counts, "int64")
        | dict.fromkeys(floats, "float64")
        | {"seeds_to_tell": "Int64"}
    )


def _of_eval_set(
    final: FinalScores, *, margin: float, alpha: float, level: float
) -> list[dict[str, Any]]:
    # They import scipy, which what names the pipelines' nodes must not.
    from pmd_pipeline.statistics.estimates import Covers
    from pmd_pipeline.statistics.pairs import Verdict, compare_algorithms
    from pmd_pipeline.statistics.power import difference_told, seeds_to_tell

    lowest, highest = bounds_of(final.metric)
    found = compare_algorithms(
        {name: mine.table for name, mine in final.by_algorithm.items()},
        margin=margin,
        alpha=alpha,
        initial=final.initial,
        seeds={name: mine.seeds for name, mine in final.by_algorithm.items()},
        lowest=lowest,
        highest=highest,
    )
    num_problems = len(final.initial)
    of_first = alpha / len(found.pairs)
    rows = []
    for pair in found.pairs:
        assert pair.collapses is not None  # the initial policy is known
        difference = pair.difference.interval(level)
        improvement = pair.improvement.interval(level)
        is_of_seeds = pair.difference.covers in (
            Covers.SEEDS_AND_PROBLEMS,
            Covers.SEEDS_ONE_PROBLEM,
        )
        to_tell, told, by_twice = None, None, None
        if pair.components is not None:
            to_tell = seeds_to_tell(
                margin, pair.components, num_problems=num_problems, power=POWER, alpha=of_first
            )
            told, by_twice = (
                difference_told(
                    pair.components,
                    num_seeds=num_seeds,
                    num_problems=num_problems,
                    power=POWER,
                    alpha=of_first,
                )
                for num_seeds in (pair.num_seeds, 2 * pair.num_seeds)
            )
        rows.append(
            {
                "eval_set": final.eval_set,
                "metric": final.metric,
                "k": final.k,
                "first": pair.first,
                "second": pair.second,
                "difference": difference.value,
                "ci_low": difference.low,
                "ci_high": difference.high,
                "covers": str(pair.difference.covers),
                "p_value": pair.p_value.raw,
                "p_value_holm": pair.p_value.holm,
                "sign_flip_p_value": pair.sign_flip_p_value.raw,
                "sign_flip_p_value_holm": pair.sign_flip_p_value.holm,
                "smallest_sign_flip_p_value": pair.sign_flips.smallest_p_value,
                "equivalence_p_value": pair.equivalence_p_value.raw,
                "equivalence_p_value_holm": pair.equivalence_p_value.holm,
                "effect_size": pair.effect_size,
                "improvement": improvement.value,
                "improvement_ci_low": improvement.low,
                "improvement_ci_high": improvement.high,
                "num_collapsed_first": pair.collapses.num_first,
                "num_collapsed_second": pair.collapses.num_second,
                "collapse_p_value": pair.collapses.p_value,
                "verdict": str(pair.verdict if is_of_seeds else Verdict.CANNOT_BE_TOLD),
                "one_seed_verdict": None if is_of_seeds else str(pair.verdict),
                "margin": margin,
                "alpha": alpha,
                "num_seeds": pair.num_seeds,
                "num_problems": num_problems,
                "seeds_to_tell": to_tell,
                "difference_told": told,
                "difference_told_by_twice_the_seeds": by_twice,
            }
        )
    return rows
