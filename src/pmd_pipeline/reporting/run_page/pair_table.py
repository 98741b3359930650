"""Every statistic of every pair, as a table."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.html_tables import HtmlTable
from pmd_pipeline.reporting.run_page.pair_views import OF_POLICIES

_HEADER = (
    "first",
    "second",
    "eval set",
    "verdict on the first",
    "difference",
    "p, corrected",
    "sign flips: p, corrected (least possible)",
    "equivalence: p, corrected",
    "effect size",
    "probability of improvement",
    "collapsed runs, p",
    "seeds that tell the margin",
    "difference told by these seeds",
    "seeds",
    "problems",
)


def pair_table(pairs: pd.DataFrame, *, intervals: str) -> HtmlTable:
    """Return a row per pair and evaluation set.

    Args:
        pairs: As `metrics.pairs.compare_pairs` returns them.
        intervals: What the intervals are and cover.
    """
    return HtmlTable(
        caption=f"Every pair, every statistic; brackets hold {intervals}",
        header=_HEADER,
        rows=tuple(_row(row) for row in pairs.to_dict(orient="records")),
        num_text_columns=4,
        collapsed=True,
    )


def _row(row: Mapping[Hashable, Any]) -> tuple[str, ...]:
    verdict, one_seed = row["verdict"], row["one_seed_verdict"]
    if not pd.isna(one_seed):
        verdict = f"{verdict}; its policy: {OF_POLICIES.get(one_seed, one_seed)}"
    return (
        row["first"],
        row["second"],
        row["eval_set"],
        verdict,
        _with_interval(row["difference"], row["ci_low"], row["ci_high"], signed=True),
        _p(row, "p_value"),
        f"{_p(row, 'sign_flip_p_value')} ({row['smallest_sign_flip_p_value']:.2g})",
        _p(row, "equivalence_p_value"),
        formatting.short_number(row["effect_size"]),
        _with_interval(row["improvement"], row["improvement_ci_low"], row["improvement_ci_high"]),
        f"{row['num_collapsed_first']} and {row['num_collapsed_second']}, "
        f"{row['collapse_p_value']:.2g}",
        _seeds(row),
        formatting.share(row["difference_told"]),
        str(row["num_seeds"]),
        str(row["num_problems"]),
    )


def _p(row: Mapping[Hashable, Any], name: str) -> str:
    return f"{row[name]:.2g}, {row[f'{name}_holm']:.2g}"


def _seeds(row: Mapping[Hashable, Any]) -> str:
    if not pd.isna(row["seeds_to_tell"]):
        return f"{int(row['seeds_to_tell']):,}"
    return formatting.MISSING if pd.isna(row["difference_told"]) else "more than 1,000"


def _with_interval(value: float, low: float, high: float, *, signed: bool = False) -> str:
    return formatting.with_interval(value, low, high, signed=signed, between="\n")
