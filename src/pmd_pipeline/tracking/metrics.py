"""The numbers of a table under names that every store accepts."""

from collections.abc import Iterator

import pandas as pd


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
    """Yield each algorithm's last evaluation, under names with its label, and the round."""
    for label, rows in comparison.groupby("algorithm"):
        step = int(rows["round"].max())
        last = evaluation_metrics(rows[rows["round"] == step])
        yield {f"{label}.{name}": value for name, value in last.items()}, step


def _with_k(metric: str, k: int) -> str:
    return f"{metric.removesuffix('_k')}_{k}" if metric.endswith("_at_k") else metric
