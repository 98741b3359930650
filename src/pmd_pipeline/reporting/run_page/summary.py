"""The results in words: nothing is called a difference whose interval contains zero."""

import math

import pandas as pd

from pmd_pipeline.metrics.comparison import final_rounds, headline_metric
from pmd_pipeline.metrics.problem_scores import INITIAL_POLICY
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.run_page.final_table import final_table


def summary_paragraphs(
    comparison: pd.DataFrame, gains: pd.DataFrame | None, *, interval_level: float = 0.95
) -> list[str]:
    """Return an opening paragraph, then one per evaluation set.

    Args:
        comparison: The comparison table.
        gains: The table of paired gains; without it the values are stated and nothing is claimed.
        interval_level: Of the intervals.
    """
    table = final_table(comparison, gains)
    return [
        _opening(comparison, interval_level, has_gains=gains is not None),
        *(
            _of_eval_set(str(eval_set), rows, gains, headline_metric(comparison))
            for eval_set, rows in table.groupby("eval_set", sort=False)
        ),
    ]


def _opening(comparison: pd.DataFrame, interval_level: float, *, has_gains: bool) -> str:
    rounds = final_rounds(comparison)
    fewest, most = min(rounds.values()), max(rounds.values())
    length = formatting.counted(most, "round")
    if fewest < most:
        length = f"{fewest} to {length}"
    eval_sets = [str(name) for name in comparison["eval_set"].unique()]
    sentence = (
        f"{formatting.counted(len(rounds), 'algorithm')} ({formatting.listed(list(rounds))}) "
        f"trained for {length} from the same initial policy and were evaluated on "
        f"{formatting.listed(eval_sets)}."
    )
    if len(rounds) == 1:
        sentence = sentence.replace("were evaluated", "was evaluated")
    if not has_gains:
        return sentence
    return (
        f"{sentence} Brackets hold {formatting.percent(interval_level)} intervals; a difference is "
        "named only where its interval excludes zero."
    )


def _of_eval_set(
    eval_set: str, table: pd.DataFrame, gains: pd.DataFrame | None, headline: str
) -> str:
    rows = table.to_dict(orient="records")
    metric = formatting.metric_name(headline, int(table["k"].max()))
    opening = f"On {eval_set} the initial policy has {metric} {rows[0]['initial']:.3f}"
    if gains is None:
        ends = [f"{row['algorithm']} {row['final']:.3f}" for row in rows]
        return f"{opening}; after training: {', '.join(ends)}."
    here = gains[gains["eval_set"] == eval_set]
    ends_of = {str(row["algorithm"]): float(row["final"]) for row in rows}
    changes = _changes(here[here["against"] == INITIAL_POLICY], ends_of)
    sentences = [f"{opening}: {changes}" if changes else f"{opening}."]
    others = here[here["against"] != INITIAL_POLICY]
    for reference, comparisons in others.groupby("against", sort=False):
        sentences.append(_differences(str(reference), comparisons))
    return " ".join(sentence for sentence in sentences if sentence)


def _changes(gains: pd.DataFrame, ends_of: dict[str, float]) -> str:
    gained, lost, unclear = _sorted_out(gains)
    parts = [
        f"{row['algorithm']} {verb} {_amount(row)}, to {ends_of[str(row['algorithm'])]:.3f}"
        for verb, rows in (("gained", gained), ("lost", lost))
        for row in rows
    ]
    parts += [
        f"{row['algorithm']} shows no change that can be told from chance {_bracket(row)}"
        for row in unclear
    ]
    return f"{'; '.join(parts)}." if parts else ""


def _differences(reference: str, gains: pd.DataFrame) -> str:
    higher, lower, unclear = _sorted_out(gains)
    parts = [
        f"{row['algorithm']} is {word} by {_amount(row)}"
        for word, rows in (("higher", higher), ("lower", lower))
        for row in rows
    ]
    if unclear:
        names = formatting.listed([str(row["algorithm"]) for row in unclear])
        parts.append(f"no difference can be told from chance for {names}")
    return f"Compared with {reference}: {'; '.join(parts)}." if parts else ""


def _sorted_out(
    gains: pd.DataFrame,
) -> tuple[list[dict[str, float]], list[dict[str, float]], list[dict[str, float]]]:
    """Return the rows above zero (largest first), below zero (lowest first), and the rest."""
    rows: list[dict[str, float]] = [
        {str(key): value for key, value in row.items()} for row in gains.to_dict(orient="records")
    ]
    above = [row for row in rows if row["ci_low"] > 0]
    below = [row for row in rows if row["ci_high"] < 0]
    rest = [row for row in rows if row not in above and row not in below]
    above.sort(key=lambda row: -row["gain"])
    below.sort(key=lambda row: row["gain"])
    return above, below, rest


def _amount(row: dict[str, float]) -> str:
    """Return the size of a change whose direction the sentence gives."""
    low, high = sorted((abs(row["ci_low"]), abs(row["ci_high"])))
    return f"{abs(row['gain']):.3f} {formatting.interval(low, high)}"


def _bracket(row: dict[str, float]) -> str:
    if math.isnan(row["ci_low"]) or math.isnan(row["ci_high"]):
        return "(no interval)"
    return formatting.interval(row["ci_low"], row["ci_high"], signed=True)
