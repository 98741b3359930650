"""What an exported policy scored, as its model card shows it."""

from collections.abc import Iterator

import pandas as pd

from pmd_pipeline.metrics.comparison import headline_metric
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.model_card.facts import CardFacts

_SHOWN = ("avg_at_k", "mean_reward", "pass_at_k", "maj_at_k")


def result_rows(facts: CardFacts) -> list[tuple[str, ...]]:
    """Return a row per evaluation set and metric, the header first."""
    num_seeds = len(facts.experiment.training.seeds)
    header = ["evaluation set", "metric", "initial policy", "this policy"]
    if num_seeds > 1:
        header.append(f"mean of {num_seeds} training seeds")
    rows = [tuple(header)]
    for row in _shown(facts.scores[facts.scores["round"] == facts.round_index]):
        before = _same(facts.scores, row, round_index=0)
        mean = _same(facts.means, row, round_index=facts.round_index)
        numbers = [before, row, mean] if num_seeds > 1 else [before, row]
        rows.append(
            (
                str(row["eval_set"]),
                formatting.metric_name(row["metric"], row["k"]),
                *map(_with_interval, numbers),
            )
        )
    return rows


def headline_rows(facts: CardFacts) -> list[pd.Series]:
    """Return what this policy scored in the metric that policies are compared by, set by set."""
    scores = facts.scores[facts.scores["round"] == facts.round_index]
    rows = scores[scores["metric"] == headline_metric(scores)]
    return [row for _, row in rows.iterrows()]


def _shown(scores: pd.DataFrame) -> Iterator[pd.Series]:
    """Yield the rows of each metric at its largest k, set by set."""
    for _, of_set in scores.groupby("eval_set", sort=False):
        for metric in _SHOWN:
            rows = of_set[of_set["metric"] == metric]
            if not rows.empty:
                yield rows.nlargest(1, "k").iloc[0]


def _same(table: pd.DataFrame, row: pd.Series, *, round_index: int) -> pd.Series:
    is_same = table["round"] == round_index
    for column in ("eval_set", "metric", "k"):
        is_same &= table[column] == row[column]
    return table[is_same].iloc[0]


def _with_interval(row: pd.Series) -> str:
    return formatting.with_interval(row["value"], row["ci_low"], row["ci_high"])
