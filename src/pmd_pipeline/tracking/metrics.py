"""The numbers of a table under names that every store accepts."""

from collections.abc import Iterator

import pandas as pd

from pmd_pipeline.metrics.comparison import headline_metric


def round_metrics(table: pd.DataFrame) -> tuple[dict[str, float], int]:
    """Return the metrics of a round, one row, and its number."""
    row = table.iloc[0]
    numbers = row.drop(["algorithm", "seed", "round"]).items()
    return {str(name): float(value) for name, value in numbers}, int(row["round"])


def evaluation_metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return an evaluation as ``eval.<set>.avg_at_4`` and so on."""
    return {
        f"eval.{eval_set}.{_with_k(metric, k)}": float(value)
        for eval_set, metric, k, value in zip(
            table["eval_set"], table["metric"], table["k"], table["value"], strict=True
        )
    }


def final_metrics(comparison: pd.DataFrame) -> Iterator[tuple[dict[str, float], int]]:
    """Yield each algorithm's last evaluation, under names with its label, and the round.

    The headline metric has its interval's ends beside it, as ``...avg_at_4.ci_low``.
    """
    headline = headline_metric(comparison)
    for label, rows in comparison.groupby("algorithm"):
        step = int(rows["round"].max())
        last = rows[rows["round"] == step]
        metrics = evaluation_metrics(last)
        compared = last[last["metric"] == headline]
        for end in ("ci_low", "ci_high"):
            ends = evaluation_metrics(compared.assign(value=compared[end]))
            metrics |= {f"{name}.{end}": value for name, value in ends.items()}
        yield {f"{label}.{name}": value for name, value in metrics.items()}, step


def _with_k(metric: str, k: int) -> str:
    return f"{metric.removesuffix('_k')}_{k}" if metric.endswith("_at_k") else metric
