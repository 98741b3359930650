"""The numbers of a table under names that every store accepts.

MLflow shows what stands before a name's last slash as one group of charts. A store in files makes
folders of these groups, so no name may be the beginning of another's group.
"""

from collections.abc import Iterator, Mapping

import pandas as pd

from pmd_pipeline.metrics.comparison import headline_metric, is_average_again

# What updates did to the policy; the rest tells of the rollouts that they were made from.
_UPDATE = frozenset(
    {
        "chi2",
        "clip_fraction",
        "gradient_norm",
        "kl",
        "learning_rate",
        "log_ratio_max",
        "log_ratio_mean",
        "log_ratio_min",
        "loss",
        "num_skipped_updates",
        "num_trained_tokens",
        "policy_version",
        "reverse_kl",
    }
)
_TIMES = ("_seconds", "_per_second")
_THEORY = "theory_"
_EVAL = "eval/"


def round_metric_name(column: str) -> str:
    """Return what MLflow calls a column of the table ``round_metrics``: ``update/kl``."""
    if column.startswith(_THEORY):
        return f"theory/{column.removeprefix(_THEORY)}"
    if column.endswith(_TIMES):
        return f"time/{column}"
    return f"{'update' if column in _UPDATE else 'sampling'}/{column}"


def round_metrics(table: pd.DataFrame) -> tuple[dict[str, float], int]:
    """Return the metrics of a round, one row, and its number."""
    row = table.iloc[0]
    numbers = row.drop(["algorithm", "seed", "round"]).items()
    named = {round_metric_name(str(name)): float(value) for name, value in numbers}
    return named, int(row["round"])


def evaluation_metrics(table: pd.DataFrame) -> dict[str, float]:
    """Return an evaluation as ``eval/<set>/avg_at_4`` and so on.

    pass@1 and maj@1 are left out: both are avg@k by another name.
    """
    told = table[~is_average_again(table)]
    return {
        f"{_EVAL}{eval_set}/{_with_k(metric, k)}": float(value)
        for eval_set, metric, k, value in zip(
            told["eval_set"], told["metric"], told["k"], told["value"], strict=True
        )
    }


def final_metrics(comparison: pd.DataFrame) -> Iterator[tuple[dict[str, float], int]]:
    """Yield each algorithm's last evaluation, as ``final/<set>/avg_at_4/<label>``, and the round.

    Algorithms so stand side by side. The headline metric has its interval's ends beside it, as
    ``final/<set>/avg_at_4_ci_low/<label>``.
    """
    headline = headline_metric(comparison)
    for label, rows in comparison.groupby("algorithm"):
        step = int(rows["round"].max())
        last = rows[rows["round"] == step]
        metrics = evaluation_metrics(last)
        compared = last[last["metric"] == headline]
        for end in ("ci_low", "ci_high"):
            ends = evaluation_metrics(compared.assign(value=compared[end]))
            metrics |= {f"{name}_{end}": value for name, value in ends.items()}
        yield side_by_side(metrics, str(label)), step


def side_by_side(metrics: Mapping[str, float], label: str) -> dict[str, float]:
    """Return the metrics of an evaluation as ``final/<set>/avg_at_4/<label>``."""
    return {f"final/{name.removeprefix(_EVAL)}/{label}": v for name, v in metrics.items()}


def _with_k(metric: str, k: int) -> str:
    return f"{metric.removesuffix('_k')}_{k}" if metric.endswith("_at_k") else metric
