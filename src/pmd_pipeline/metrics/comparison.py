"""The comparison table: what every algorithm's policies scored, round by round."""

from collections.abc import Mapping

import pandas as pd

from pmd_pipeline.metrics.evaluation import EVALUATION_COLUMNS, METRICS

COMPARISON_COLUMNS = (
    "algorithm",
    "eval_set",
    "metric",
    "k",
    "round",
    "value",
    "ci_low",
    "ci_high",
)
METRIC_COLUMNS = ("eval_set", *EVALUATION_COLUMNS)

# Twelve digits tell any two results apart and hide the order in which floats were added.
COMPARISON_FLOAT_FORMAT = "%.12g"

_KEY = ["eval_set", "metric", "k"]


def build_comparison(
    initial_metrics: pd.DataFrame,
    phase_metrics: Mapping[str, Mapping[int, pd.DataFrame]],
) -> pd.DataFrame:
    """Return one row per algorithm, evaluation set, metric, k and evaluated round.

    Rows are in this order: algorithms as in ``phase_metrics``, rounds ascending, evaluation sets
    as in ``initial_metrics``, metrics as in ``METRICS``, k ascending. No value is rounded.

    Args:
        initial_metrics: Of the initial policy (``METRIC_COLUMNS``): round 0 of every algorithm.
        phase_metrics: By algorithm, then by the number of rounds (from 1) that the evaluated
            policy has seen.

    Returns:
        A table of ``COMPARISON_COLUMNS``.

    Raises:
        ValueError: If there is no algorithm, a column is missing, a metric is unknown or measured
            twice, or a policy was evaluated on other sets or at other k than the initial one.
    """
    if not phase_metrics:
        raise ValueError("no algorithm to compare; train one (training.algorithms)")
    initial = _checked(initial_metrics, "the initial policy")
    set_order = {name: i for i, name in enumerate(initial["eval_set"].unique())}
    parts = []
    for algorithm, by_round in phase_metrics.items():
        if not by_round or min(by_round) < 1:
            raise ValueError(
                f"{algorithm}: evaluated rounds must start at 1 (0 is the initial policy), found "
                f"{sorted(by_round)}"
            )
        for round_index, metrics in [(0, initial), *sorted(by_round.items())]:
            where = f"{algorithm}, round {round_index}"
            ordered = _ordered(_checked(metrics, where), set_order)
            _refuse_other_measurements(_ordered(initial, set_order), ordered, where)
            parts.append(ordered.assign(algorithm=algorithm, round=round_index))
    table = pd.concat(parts, ignore_index=True)[list(COMPARISON_COLUMNS)]
    return table.astype({"k": "int64", "round": "int64"})


def headline_metric(table: pd.DataFrame) -> str:
    """Return which metric policies are compared by.

    Args:
        table: With a column ``metric``.

    Returns:
        ``"avg_at_k"``; ``"mean_reward"`` where it is not known which responses are right.
    """
    return "avg_at_k" if "avg_at_k" in set(table["metric"]) else "mean_reward"


def is_average_again(table: pd.DataFrame) -> pd.Series:
    """Return which rows repeat avg@k under another name: pass@1 and maj@1.

    Args:
        table: With columns ``metric`` and ``k``.
    """
    return (table["k"] == 1) & table["metric"].isin(["pass_at_k", "maj_at_k"])


def final_rounds(comparison: pd.DataFrame) -> dict[str, int]:
    """Return the last evaluated round of each algorithm, in the table's order."""
    rounds = comparison.groupby("algorithm", sort=False)["round"].max()
    return {str(algorithm): int(last) for algorithm, last in rounds.items()}


def _checked(metrics: pd.DataFrame, where: str) -> pd.DataFrame:
    missing = [column for column in METRIC_COLUMNS if column not in metrics.columns]
    if missing:
        raise ValueError(
            f"evaluation metrics of {where}: columns {missing} are missing, found "
            f"{list(metrics.columns)}"
        )
    unknown = sorted(set(metrics["metric"]) - set(METRICS))
    if unknown:
        raise ValueError(
            f"evaluation metrics of {where}: unknown metrics {unknown}; known are {list(METRICS)}"
        )
    twice = metrics[metrics.duplicated(_KEY)]
    if len(twice) > 0:
        raise ValueError(
            f"evaluation metrics of {where}: measured twice: {twice[_KEY].iloc[0].to_dict()}"
        )
    return metrics[list(METRIC_COLUMNS)]


def _ordered(metrics: pd.DataFrame, set_order: Mapping[str, int]) -> pd.DataFrame:
    ranks = pd.DataFrame(
        {
            # A set that the initial policy never saw sorts last and is refused afterwards.
            "eval_set": [set_order.get(name, len(set_order)) for name in metrics["eval_set"]],
            "metric": [METRICS.index(name) for name in metrics["metric"]],
            "k": metrics["k"].to_numpy(),
        }
    )
    order = ranks.sort_values(["eval_set", "metric", "k"], kind="stable").index
    return metrics.iloc[order].reset_index(drop=True)


def _refuse_other_measurements(initial: pd.DataFrame, other: pd.DataFrame, where: str) -> None:
    expected = set(initial[_KEY].itertuples(index=False, name=None))
    found = set(other[_KEY].itertuples(index=False, name=None))
    if expected != found:
        raise ValueError(
            f"evaluation metrics of {where} are not those of the initial policy: only there "
            f"{sorted(found - expected)}, missing {sorted(expected - found)}; evaluate both with "
            "the same parameters"
        )
