"""What a run has found, as the short Markdown text that a tracker shows beside it."""

from collections.abc import Sequence

import pandas as pd

from pmd_pipeline.metrics.comparison import headline_metric
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.run_page.coverage import Coverage
from pmd_pipeline.reporting.run_page.final_table import final_table
from pmd_pipeline.reporting.run_page.summary import lead_sentences

# A tracker takes a few thousand characters.
_MOST_ROWS = 20


def run_description(
    comparison: pd.DataFrame,
    gains: pd.DataFrame,
    pairs: pd.DataFrame,
    coverage: Coverage,
    *,
    links: str = "",
) -> str:
    """Return the verdict of a run and where each algorithm ended, the best first.

    Args:
        comparison: The comparison table.
        gains: The table of paired gains.
        pairs: The table of pairs.
        coverage: Of their intervals.
        links: Where more is; a line of Markdown.
    """
    table = final_table(comparison, gains)
    metric = _metric(comparison, table)
    rows = [
        [
            str(row["algorithm"]),
            str(row["eval_set"]),
            formatting.share(row["initial"]),
            formatting.with_interval(row["final"], row["ci_low"], row["ci_high"]),
            formatting.signed_share(row["gain"]),
        ]
        for row in table.head(_MOST_ROWS).to_dict(orient="records")
    ]
    header = ["algorithm", "evaluation set", f"{metric} at first", "at last", "gain"]
    left_out = len(table) - len(rows)
    parts = [
        *lead_sentences(comparison, gains, pairs, coverage),
        links,
        _markdown_table(header, rows),
        f"{left_out} more are in `tables/comparison.csv`." if left_out else "",
        f"Brackets: {coverage.intervals}.",
    ]
    return "\n\n".join(part for part in parts if part)


def training_run_description(comparison: pd.DataFrame) -> str:
    """Return what one training run has gained on each evaluation set.

    Args:
        comparison: The comparison table of this training run.
    """
    table = final_table(comparison)
    metric = _metric(comparison, table)
    return "\n".join(
        f"- {row['eval_set']}: {metric} {formatting.share(row['initial'])} at first, "
        f"{formatting.with_interval(row['final'], row['ci_low'], row['ci_high'])} after "
        f"{formatting.counted(row['round'], 'round')}"
        for row in table.head(_MOST_ROWS).to_dict(orient="records")
    )


def _metric(comparison: pd.DataFrame, table: pd.DataFrame) -> str:
    numbers = table["k"].unique()
    k = int(numbers[0]) if len(numbers) == 1 else "k"
    return formatting.metric_name(headline_metric(comparison), k)


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
