"""The tables that a run ends with: where each algorithm started and where it got to."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Group

from pmd_pipeline.metrics.comparison import final_rounds, headline_metric
from pmd_pipeline.metrics.problem_scores import INITIAL_POLICY
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.console import plain_table

FINAL_COLUMNS = (
    "algorithm",
    "eval_set",
    "round",
    "k",
    "initial",
    "initial_ci_low",
    "initial_ci_high",
    "final",
    "ci_low",
    "ci_high",
    "gain",
    "gain_ci_low",
    "gain_ci_high",
    "pass_at_k",
    "maj_at_k",
)


def final_table(comparison: pd.DataFrame, gains: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return one row per algorithm and evaluation set, in the order of the comparison table.

    ``initial`` and ``final`` are avg@k (or the mean reward, see `headline_metric`) of the initial
    policy and of the policy after the last evaluated round, ``pass_at_k`` and ``maj_at_k`` those of
    the latter, NaN where they were not measured; each at its largest k.

    Args:
        comparison: The comparison table.
        gains: The table of paired gains, which gives ``gain`` its interval; without it the
            interval is NaN.
    """
    metric = headline_metric(comparison)
    rows = []
    for algorithm, last in final_rounds(comparison).items():
        mine = comparison[comparison["algorithm"] == algorithm]
        for eval_set in mine["eval_set"].unique():
            here = mine[mine["eval_set"] == eval_set]
            before = _largest_k(here, metric, 0)
            after = _largest_k(here, metric, last)
            low, high = _gain_interval(gains, algorithm, eval_set)
            rows.append(
                (
                    algorithm,
                    eval_set,
                    last,
                    int(after["k"]),
                    *(float(before[name]) for name in ("value", "ci_low", "ci_high")),
                    *(float(after[name]) for name in ("value", "ci_low", "ci_high")),
                    float(after["value"] - before["value"]),
                    low,
                    high,
                    float(_largest_k(here, "pass_at_k", last)["value"]),
                    float(_largest_k(here, "maj_at_k", last)["value"]),
                )
            )
    return pd.DataFrame(rows, columns=list(FINAL_COLUMNS))


def console_table(
    comparison: pd.DataFrame, *, intervals: str, verdicts: Sequence[str] = ()
) -> Group:
    """Return the final table for a console, below a line that says what it shows.

    Args:
        comparison: The comparison table.
        intervals: What its intervals are and cover.
        verdicts: Sentences to stand below the table.
    """
    table = final_table(comparison)
    one_k = len(table["k"].unique()) == 1
    k = int(table["k"].iloc[0]) if one_k else "k"
    further = measured_of(comparison, "pass_at_k", "maj_at_k")
    rows = [
        [
            str(row["algorithm"]),
            str(row["eval_set"]),
            *([] if one_k else [str(row["k"])]),
            _start_to_end(row),
            formatting.signed_share(row["gain"]),
            *(formatting.share(row[metric]) for metric in further),
        ]
        for row in table.to_dict(orient="records")
    ]
    drawn = plain_table(
        [[formatting.plain_ascii(cell) for cell in row] for row in rows],
        names=["algorithm", "eval set"],
        numbers=[
            *([] if one_k else ["k"]),
            f"{formatting.metric_name(headline_metric(comparison), k)}: initial -> final",
            "gain",
            *(formatting.metric_name(metric, k) for metric in further),
        ],
    )
    after = formatting.counted_from_to(table["round"].min(), table["round"].max(), "round")
    title = f"Held-out problems, initial policy -> after {after} [{intervals}]"
    below = [part for verdict in verdicts for part in ("", formatting.plain_ascii(verdict))]
    return Group(title, "", drawn, *below)


def measured_of(comparison: pd.DataFrame, *metrics: str) -> tuple[str, ...]:
    """Return those of the metrics that were measured."""
    return tuple(metric for metric in metrics if metric in set(comparison["metric"]))


def _largest_k(rows: pd.DataFrame, metric: str, round_index: int) -> pd.Series:
    chosen = rows[(rows["metric"] == metric) & (rows["round"] == round_index)]
    if len(chosen) == 0:
        return pd.Series({"k": 0, "value": math.nan, "ci_low": math.nan, "ci_high": math.nan})
    return chosen.sort_values("k").iloc[-1]


def _gain_interval(
    gains: pd.DataFrame | None, algorithm: str, eval_set: str
) -> tuple[float, float]:
    if gains is None:
        return math.nan, math.nan
    row = gains[
        (gains["algorithm"] == algorithm)
        & (gains["eval_set"] == eval_set)
        & (gains["against"] == INITIAL_POLICY)
    ]
    if len(row) == 0:
        return math.nan, math.nan
    return float(row["ci_low"].iloc[0]), float(row["ci_high"].iloc[0])


def _start_to_end(row: Mapping[Hashable, Any]) -> str:
    end = formatting.with_interval(row["final"], row["ci_low"], row["ci_high"])
    return f"{formatting.share(row['initial'])} -> {end}"
