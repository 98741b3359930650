"""What the scores of models say, in sentences and tables."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Group

from pmd_pipeline.metrics.comparison import headline_metric, is_average_again
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.console import plain_table
from pmd_pipeline.reporting.drawing.styles import BLUE
from pmd_pipeline.reporting.forest import Forest, Measured, forest_plot
from pmd_pipeline.reporting.html_tables import HtmlTable
from pmd_pipeline.reporting.run_page.first_look import TWO_INTERVALS, FirstLook
from pmd_pipeline.reporting.run_page.pair_views import PairView, pair_views
from pmd_pipeline.reporting.run_page.verdict_matrix import VerdictMatrix, verdict_matrix
from pmd_pipeline.reporting.run_page.verdict_words import lead_sentence

_NOUN = "model"
_COVERS = "problems, and what these responses' draws have added to each"
_COUNTS = frozenset({"mean_response_tokens"})


def lead_sentences(scores: pd.DataFrame, differences: pd.DataFrame) -> list[str]:
    """Return how the best model of each evaluation set stands beside the others."""
    sentences = []
    for eval_set, rows in scores.groupby("eval_set", sort=False):
        metric, finals = _finals(rows)
        if len(finals) > 1:
            views = _views(differences[differences["eval_set"] == eval_set])
            sentences.append(lead_sentence(str(eval_set), metric, finals, views, noun=_NOUN))
        else:
            ((name, score),) = finals.items()
            sentences.append(f"On {eval_set}, {name} has {metric} {formatting.share(score)}.")
    return sentences


def first_looks(
    scores: pd.DataFrame, differences: pd.DataFrame, *, interval: str
) -> list[FirstLook]:
    """Return what is to be seen first of each evaluation set: scores, the verdict, every pair."""
    sentences = lead_sentences(scores, differences)
    return [
        FirstLook(
            forest=_forest(str(eval_set), rows, interval=interval),
            lead=sentence,
            matrix=_matrix(str(eval_set), rows, differences, interval=interval),
        )
        for (eval_set, rows), sentence in zip(
            scores.groupby("eval_set", sort=False), sentences, strict=True
        )
    ]


def _forest(eval_set: str, scores: pd.DataFrame, *, interval: str) -> Forest:
    metric, finals = _finals(scores)
    compared = scores[scores["metric"] == headline_metric(scores)]
    pairs = f" {TWO_INTERVALS}" if len(finals) > 1 else ""
    return forest_plot(
        [
            Measured(
                name=str(row["model"]),
                value=float(row["value"]),
                low=float(row["ci_low"]),
                high=float(row["ci_high"]),
                colour=BLUE,
            )
            for row in compared.to_dict(orient="records")
        ],
        caption=f"{eval_set}: {metric}, the highest first, with {interval}s over problems.{pairs}",
        header=(_NOUN, f"{metric} on {eval_set}", "score"),
    )


def _matrix(
    eval_set: str, scores: pd.DataFrame, differences: pd.DataFrame, *, interval: str
) -> VerdictMatrix | None:
    """Return every model beside every other; None of one model."""
    here = differences[differences["eval_set"] == eval_set]
    if here.empty:
        return None
    metric, finals = _finals(scores)
    margin, alpha = float(here["margin"].iloc[0]), float(here["alpha"].iloc[0])
    problems = formatting.counted(int(here["num_problems"].iloc[0]), "problem")
    return verdict_matrix(
        finals,
        _views(here),
        caption=f"{eval_set}: the model of the row beside that of the column, difference of "
        f"{metric} on the same {problems}, p-values corrected for all pairs. Equivalent: shown to "
        f"be less than {margin:g} apart; a verdict asks for p below {alpha:g}",
        interval=interval,
        of_policies=False,
        noun=_NOUN,
    )


def score_table(scores: pd.DataFrame, eval_set: str, *, interval: str) -> HtmlTable:
    """Return every metric of an evaluation set: a row per metric and k, a column per model."""
    here = scores[scores["eval_set"] == eval_set]
    models = [str(name) for name in here["model"].unique()]
    cells = {
        (row["model"], row["metric"], row["k"]): _cell(row)
        for row in here.to_dict(orient="records")
    }
    told = here[~is_average_again(here)]
    measured = told[["metric", "k"]].drop_duplicates().itertuples(index=False, name=None)
    return HtmlTable(
        caption=f"{eval_set}: every metric; brackets hold {interval}s over problems",
        header=("metric", *models),
        rows=tuple(
            (
                formatting.metric_name(metric, k),
                *(cells.get((name, metric, k), formatting.MISSING) for name in models),
            )
            for metric, k in measured
        ),
        num_text_columns=1,
    )


def difference_table(differences: pd.DataFrame, *, interval: str) -> HtmlTable:
    """Return every pair with its numbers."""
    return HtmlTable(
        caption=f"Every pair: paired differences with {interval}s, p-values and, after the comma, "
        "the same corrected for the pairs of the set",
        header=(
            "first",
            "second",
            "eval set",
            "verdict on the first",
            "difference",
            "p",
            "equivalence: p",
        ),
        rows=tuple(
            (
                row["first"],
                row["second"],
                row["eval_set"],
                row["verdict"],
                formatting.with_interval(
                    row["difference"], row["ci_low"], row["ci_high"], signed=True, between="\n"
                ),
                f"{row['p_value']:.2g}, {row['p_value_holm']:.2g}",
                f"{row['equivalence_p_value']:.2g}, {row['equivalence_p_value_holm']:.2g}",
            )
            for row in differences.to_dict(orient="records")
        ),
        num_text_columns=4,
        collapsed=True,
    )


def about_table(about: Mapping[str, Mapping[str, Any]]) -> HtmlTable:
    """Return what is known of each model: a row per fact, a column per model."""
    names = list(dict.fromkeys(name for facts in about.values() for name in facts))
    return HtmlTable(
        caption="What was evaluated",
        header=("", *about),
        rows=tuple(
            (name, *(formatting.number(facts.get(name)) for facts in about.values()))
            for name in names
        ),
        num_text_columns=1 + len(about),
    )


def console_table(scores: pd.DataFrame, differences: pd.DataFrame, *, level: float) -> Group:
    """Return the scores for a console, the best of each evaluation set first."""
    rows, further = [], [m for m in ("pass_at_k", "maj_at_k") if m in set(scores["metric"])]
    headline = headline_metric(scores)
    for eval_set, here in scores.groupby("eval_set", sort=False):
        for name in _finals(here)[1]:
            own = here[here["model"] == name]
            best = _at_largest_k(own, headline)
            rows.append(
                [
                    name,
                    str(eval_set),
                    str(int(best["k"])),
                    formatting.with_interval(best["value"], best["ci_low"], best["ci_high"]),
                    *(formatting.share(float(_at_largest_k(own, m)["value"])) for m in further),
                ]
            )
    drawn = plain_table(
        [[formatting.plain_ascii(cell) for cell in row] for row in rows],
        names=["model", "eval set"],
        numbers=[
            "k",
            formatting.metric_name(headline, "k"),
            *(formatting.metric_name(m, "k") for m in further),
        ],
    )
    title = f"Models on held-out problems [{formatting.percent(level)} intervals over problems]"
    below: Sequence[str] = [
        part
        for sentence in lead_sentences(scores, differences)
        for part in ("", formatting.plain_ascii(sentence))
    ]
    return Group(title, "", drawn, *below)


def _finals(rows: pd.DataFrame) -> tuple[str, dict[str, float]]:
    """Return the name of the headline metric, and each model's score by it, highest first."""
    compared = rows[rows["metric"] == headline_metric(rows)]
    ranked = compared.sort_values("value", ascending=False, kind="stable")
    name = formatting.metric_name(str(ranked["metric"].iloc[0]), int(ranked["k"].iloc[0]))
    return name, {
        str(model): float(value)
        for model, value in zip(ranked["model"], ranked["value"], strict=True)
    }


def _views(differences: pd.DataFrame) -> dict[tuple[str, str], PairView]:
    return pair_views(differences.assign(one_seed_verdict=math.nan, covers=_COVERS))


def _at_largest_k(rows: pd.DataFrame, metric: str) -> pd.Series:
    return rows[rows["metric"] == metric].sort_values("k").iloc[-1]


def _cell(row: Mapping[Any, Any]) -> str:
    if row["metric"] not in _COUNTS:
        return formatting.with_interval(row["value"], row["ci_low"], row["ci_high"], between="\n")
    if pd.isna(row["ci_low"]) or pd.isna(row["ci_high"]):
        return f"{row['value']:.1f}"
    return f"{row['value']:.1f}\n[{row['ci_low']:.1f}, {row['ci_high']:.1f}]"
