"""The tables that a run ends with: where each algorithm started and where it got to."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from pmd_pipeline.metrics.comparison import final_rounds, headline_metric
from pmd_pipeline.metrics.problem_scores import INITIAL_POLICY
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.console import ConsoleTable, plain_table
from pmd_pipeline.reporting.run_page.pair_views import OF_POLICIES, pair_views

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
    """Return one row per evaluation set and algorithm: for each set the best algorithm first.

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
    table = pd.DataFrame(rows, columns=list(FINAL_COLUMNS))
    sets = [here for _, here in table.groupby("eval_set", sort=False)]
    ranked = [here.sort_values("final", ascending=False, kind="stable") for here in sets]
    return pd.concat(ranked, ignore_index=True) if ranked else table


def console_table(
    comparison: pd.DataFrame,
    *,
    intervals: str,
    gains: pd.DataFrame | None = None,
    pairs: pd.DataFrame | None = None,
    verdicts: Sequence[str] = (),
) -> Group:
    """Return the final table for a console: for each evaluation set the best algorithm first.

    Args:
        comparison: The comparison table.
        intervals: What its intervals are and cover.
        gains: The table of paired gains, whose intervals are shown.
        pairs: The table of pairs, which says how each algorithm stands beside the first.
        verdicts: Sentences to stand below the table.
    """
    table = final_table(comparison, gains)
    after = formatting.counted_from_to(table["round"].min(), table["round"].max(), "round")
    parts: list[RenderableType] = []
    for eval_set, rows in table.groupby("eval_set", sort=False):
        metric = formatting.metric_name(headline_metric(comparison), int(rows["k"].max()))
        beside = None if pairs is None else pairs[pairs["eval_set"] == eval_set]
        title = f"{metric} on held-out problems, {eval_set}: initial policy -> after {after}"
        parts += [title, f"[{intervals}]", "", _drawn(rows, beside), ""]
    below = [part for verdict in verdicts for part in ("", formatting.plain_ascii(verdict))]
    return Group(*parts[:-1], *below)


def _drawn(rows: pd.DataFrame, pairs: pd.DataFrame | None) -> ConsoleTable:
    ranked = rows.to_dict(orient="records")
    verdicts = _verdicts([str(row["algorithm"]) for row in ranked], pairs)
    return plain_table(
        [
            [str(row["algorithm"]), _start_to_end(row), _gain(row), *verdict]
            for row, verdict in zip(ranked, verdicts, strict=True)
        ],
        names=["algorithm"],
        numbers=["initial -> final", "gain"],
        texts=["verdict"] if any(verdicts) else [],
    )


def _gain(row: Mapping[Hashable, Any]) -> Text:
    low, high = row["gain_ci_low"], row["gain_ci_high"]
    text = formatting.with_interval(row["gain"], low, high, signed=True)
    style = "green" if low > 0 else "red" if high < 0 else ""
    return Text(formatting.plain_ascii(text), style=style)


def _verdicts(names: Sequence[str], pairs: pd.DataFrame | None) -> list[list[Text]]:
    """Return how each stands beside the first; nothing where that was not looked at."""
    if pairs is None or len(pairs) == 0:
        return [[] for _ in names]
    best, *others = names
    views = pair_views(pairs)
    # With one training seed a verdict is on the trained policies.
    words = OF_POLICIES if pairs["one_seed_verdict"].notna().any() else {}
    found = [[Text("highest", style="bold")]]
    for name in others:
        verdict = views[name, best].verdict
        found.append([Text(words.get(verdict, verdict), style="red" * (verdict == "worse"))])
    return found


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
    ends = formatting.share(row["initial"]), formatting.share(row["final"])
    return formatting.plain_ascii(" -> ".join(ends))
