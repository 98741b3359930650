"""The report's tables."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from pmd_pipeline.metrics.comparison import final_rounds, headline_metric, is_average_again
from pmd_pipeline.metrics.seed_means import mean_over_seeds
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.html_tables import HtmlTable
from pmd_pipeline.reporting.run_page.final_table import final_table, measured_of
from pmd_pipeline.reporting.run_page.stage_times import stacked_times

_SHARES = ("avg_at_k", "mean_reward", "pass_at_k", "maj_at_k", "truncated_fraction")


def comparison_table(
    comparison: pd.DataFrame, gains: pd.DataFrame | None, *, intervals: str
) -> HtmlTable:
    """Return where each algorithm started and where it got to.

    Args:
        comparison: The comparison table.
        gains: The table of paired gains.
        intervals: What the intervals are and cover.
    """
    table = final_table(comparison, gains)
    headline = formatting.metric_name(headline_metric(comparison), "k")
    further = measured_of(comparison, "pass_at_k", "maj_at_k")
    rows = tuple(
        (
            str(row["algorithm"]),
            str(row["eval_set"]),
            _with_interval(row["initial"], row["initial_ci_low"], row["initial_ci_high"]),
            _with_interval(row["final"], row["ci_low"], row["ci_high"]),
            formatting.with_interval(
                *(row["gain"], row["gain_ci_low"], row["gain_ci_high"]), signed=True, between="\n"
            ),
            *(formatting.share(row[metric]) for metric in further),
            str(row["k"]),
            str(row["round"]),
        )
        for row in table.to_dict(orient="records")
    )
    return HtmlTable(
        caption="From the initial policy to the last evaluated one; brackets hold "
        f"{intervals}, those of the initial policy over problems alone",
        header=(
            "algorithm",
            "eval set",
            f"initial {headline}",
            f"final {headline}",
            "gain",
            *(f"final {formatting.metric_name(metric, 'k')}" for metric in further),
            "k",
            "rounds",
        ),
        rows=rows,
        num_text_columns=2,
    )


def gains_table(gains: pd.DataFrame, *, metric: str = "avg_at_k", intervals: str) -> HtmlTable:
    """Return the paired differences of a metric with their intervals.

    Args:
        gains: The table of paired gains.
        metric: That was compared.
        intervals: What the intervals are and cover.
    """
    name = formatting.metric_name(metric, "k")
    rows = tuple(
        (
            str(row["algorithm"]),
            str(row["against"]),
            str(row["eval_set"]),
            formatting.signed_share(row["gain"]),
            formatting.interval(row["ci_low"], row["ci_high"], signed=True),
        )
        for row in gains.to_dict(orient="records")
    )
    return HtmlTable(
        caption=f"Paired differences of {name} on the same seeds and problems, with {intervals}",
        header=("algorithm", "against", "eval set", "difference", "interval"),
        rows=rows,
        num_text_columns=3,
        collapsed=True,
    )


def evaluation_tables(comparison: pd.DataFrame) -> list[HtmlTable]:
    """Return a table per evaluation set: a row per metric and k, a column per policy."""
    last = final_rounds(comparison)
    first = next(iter(last))
    policies = {"initial policy": (first, 0), **{name: (name, r) for name, r in last.items()}}
    tables = []
    for eval_set, here in comparison.groupby("eval_set", sort=False):
        cells = {
            (row["algorithm"], row["round"], row["metric"], row["k"]): _metric_cell(row)
            for row in here.to_dict(orient="records")
        }
        told = here[~is_average_again(here)]
        measured = told[["metric", "k"]].drop_duplicates().itertuples(index=False, name=None)
        tables.append(
            HtmlTable(
                caption=f"{eval_set}: every metric after the last evaluated round",
                header=("metric", *policies),
                rows=tuple(
                    (
                        formatting.metric_name(metric, k),
                        *(
                            cells.get((*policy, metric, k), formatting.MISSING)
                            for policy in policies.values()
                        ),
                    )
                    for metric, k in measured
                ),
                num_text_columns=1,
            )
        )
    return tables


def last_round_table(round_metrics: pd.DataFrame) -> HtmlTable:
    """Return every quantity of each algorithm's last round, a column per algorithm.

    Quantities are means over training seeds.
    """
    num_seeds = round_metrics["seed"].nunique()
    over = f", mean over {num_seeds} training seeds" if num_seeds > 1 else ""
    round_metrics = mean_over_seeds(round_metrics, ["algorithm", "round"])
    ordered = round_metrics.sort_values("round", kind="stable")
    last = ordered.groupby("algorithm", sort=False).tail(1).set_index("algorithm")
    last = last.loc[round_metrics["algorithm"].unique()]
    return HtmlTable(
        caption=f"Last round: every training metric{over}",
        header=("metric", *(str(name) for name in last.index)),
        rows=tuple(
            (str(column), *(formatting.number(value) for value in last[column]))
            for column in last.columns
        ),
        num_text_columns=1,
        collapsed=True,
    )


def stage_time_table(stage_times: pd.DataFrame) -> HtmlTable:
    """Return the seconds per stage and kind of work."""
    stacks = stacked_times(stage_times)
    kinds = [str(kind) for kind in stacks.columns if kind]
    rows = [
        (
            str(stage),
            formatting.seconds(float(row.sum())),
            *(formatting.seconds(float(row[kind])) if row[kind] else "" for kind in kinds),
        )
        for stage, row in stacks.iterrows()
    ]
    total = formatting.seconds(float(stacks.to_numpy().sum()))
    return HtmlTable(
        caption="Time per stage",
        header=("stage", "total", *kinds),
        rows=(*rows, ("all stages", total, *("" for _ in kinds))),
        num_text_columns=1,
        collapsed=True,
    )


def overlap_table(overlaps: pd.DataFrame, *, num_listed: int) -> HtmlTable:
    """Return the first train problems that were dropped as copies of evaluation problems."""
    shown = overlaps.head(num_listed)
    count = formatting.counted(len(overlaps), "train problem")
    note = f", the first {len(shown)} of them" if len(shown) < len(overlaps) else ""
    return HtmlTable(
        caption=f"{count} dropped as copies of evaluation problems{note}",
        header=tuple(str(column) for column in shown.columns),
        rows=tuple(
            tuple(formatting.number(cell) for cell in row)
            for row in shown.itertuples(index=False, name=None)
        ),
        num_text_columns=len(shown.columns),
        collapsed=True,
    )


def _metric_cell(row: Mapping[Hashable, Any]) -> str:
    if row["metric"] in _SHARES:
        return _with_interval(row["value"], row["ci_low"], row["ci_high"])
    if pd.isna(row["ci_low"]) or pd.isna(row["ci_high"]):
        return f"{row['value']:.1f}"
    if row["ci_low"] == row["ci_high"]:
        return f"{row['value']:.1f}\n{formatting.NO_SPREAD}"
    return f"{row['value']:.1f}\n[{row['ci_low']:.1f}, {row['ci_high']:.1f}]"


def _with_interval(value: float, low: float, high: float) -> str:
    return formatting.with_interval(value, low, high, between="\n")
