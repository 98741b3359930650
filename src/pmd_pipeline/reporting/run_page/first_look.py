"""The report's first screen: what each algorithm has gained, the verdict, every pair."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

import pandas as pd

from pmd_pipeline.metrics.comparison import headline_metric
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.drawing.styles import AlgorithmStyle
from pmd_pipeline.reporting.forest import Forest, Measured, forest_plot
from pmd_pipeline.reporting.run_page.coverage import Coverage
from pmd_pipeline.reporting.run_page.final_table import final_table
from pmd_pipeline.reporting.run_page.summary import Summary
from pmd_pipeline.reporting.run_page.verdict_matrix import VerdictMatrix

TWO_INTERVALS = (
    "Whether one is better than another, the table of pairs tells: it compares problem by problem, "
    "and can tell two apart whose intervals overlap."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstLook:
    """What is to be seen first of an evaluation set.

    Attributes:
        forest: The gains.
        lead: The verdict, a sentence.
        more: What is to be known with it; empty where that is all.
        matrix: Every pair; None where there is one algorithm.
    """

    forest: Forest
    lead: str
    more: str = ""
    matrix: VerdictMatrix | None


def first_looks(
    comparison: pd.DataFrame,
    gains: pd.DataFrame,
    coverage: Coverage,
    summary: Summary,
    styles: Mapping[str, AlgorithmStyle],
) -> tuple[FirstLook, ...]:
    """Return what is to be seen first, one per evaluation set.

    Args:
        comparison: The comparison table.
        gains: The table of paired gains.
        coverage: Of their intervals.
        summary: Its sentences are of the sets in their order, or one is of all.
        styles: Looks of the algorithms.
    """
    metric = headline_metric(comparison)
    sets = final_table(comparison, gains).groupby("eval_set", sort=False)
    looks = []
    for (eval_set, rows), sentences, matrix in zip_longest(sets, summary.lead, summary.matrices):
        lead, more = _split(sentences or "")
        forest = _gains(str(eval_set), metric, rows, coverage, styles, has_pairs=matrix is not None)
        looks.append(FirstLook(forest=forest, lead=lead, more=more, matrix=matrix))
    return tuple(looks)


def _gains(
    eval_set: str,
    metric: str,
    rows: pd.DataFrame,
    coverage: Coverage,
    styles: Mapping[str, AlgorithmStyle],
    *,
    has_pairs: bool,
) -> Forest:
    name = formatting.metric_name(metric, int(rows["k"].max()))
    pairs = ""
    if has_pairs and coverage.has_one_seed:
        pairs = "They are of trained policies: another seed may turn this order around."
    elif has_pairs:
        pairs = TWO_INTERVALS
    return forest_plot(
        [
            Measured(
                name=str(row["algorithm"]),
                value=float(row["gain"]),
                low=float(row["gain_ci_low"]),
                high=float(row["gain_ci_high"]),
                note=f"{formatting.share(row['initial'])} → {formatting.share(row['final'])}",
                colour=styles[str(row["algorithm"])].colour,
            )
            for row in rows.to_dict(orient="records")
        ],
        caption=f"{eval_set}: gain of {name} over the initial policy, the largest first, with "
        f"{coverage.intervals}. Look for filled points: their intervals leave out 0, so chance "
        f"alone does not explain them; hollow ones may be nothing. {pairs}".rstrip(),
        header=("algorithm", f"{name} gained on {eval_set}", "gain"),
        held_against=0.0,
        signed=True,
    )


def _split(text: str) -> tuple[str, str]:
    """Return the first sentence, and the others."""
    first, mark, others = text.partition(". ")
    return (f"{first}.", others) if mark else (text, "")
