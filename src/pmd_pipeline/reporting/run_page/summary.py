"""The results in words: what is better, by how much, whether it is real, and what it cost."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pmd_pipeline.metrics.comparison import final_rounds, headline_metric
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.run_page.coverage import Coverage
from pmd_pipeline.reporting.run_page.final_table import final_table
from pmd_pipeline.reporting.run_page.pair_views import pair_views
from pmd_pipeline.reporting.run_page.verdict_matrix import VerdictMatrix, verdict_matrix
from pmd_pipeline.reporting.run_page.verdict_words import (
    gain_sentence,
    lead_sentence,
    needed_seeds,
    pair_sentences,
)
from pmd_pipeline.statistics.interval import Interval

_MOST_RANKED = 6  # more are left to the table
ONE_SEED = (
    "One training seed: this run cannot say which algorithm is better. It compares trained "
    "policies, and another seed may turn any difference around. To compare algorithms, train with "
    "at least three: training.seeds: [0, 1, 2]."
)
_ONE_SEED_ALONE = (
    "One training seed: this run shows what one trained policy has gained, not what the algorithm "
    "gains. To say that, train with at least three: training.seeds: [0, 1, 2]."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The report's first lines.

    Attributes:
        lead: What a reader in a hurry should know.
        paragraphs: The same at more length.
        matrices: Every pair, a table per evaluation set; none where there is one algorithm.
    """

    lead: tuple[str, ...]
    paragraphs: tuple[str, ...]
    matrices: tuple[VerdictMatrix, ...]


def summarise(
    comparison: pd.DataFrame,
    gains: pd.DataFrame,
    pairs: pd.DataFrame,
    coverage: Coverage,
    *,
    lag: str = "",
    cost: str = "",
) -> Summary:
    """Return what the tables say.

    Args:
        comparison: The comparison table.
        gains: The table of paired gains.
        pairs: The table of pairs.
        coverage: Of their intervals.
        lag: How stale the rollouts were, in a sentence; empty where they were not.
        cost: What the trainings cost, in a sentence; empty where that is not known.
    """
    table = final_table(comparison, gains)
    paragraphs, matrices = [_opening(comparison, coverage), lag], []
    for eval_set, rows in table.groupby("eval_set", sort=False):
        metric = _metric(comparison, rows)
        here = pairs[pairs["eval_set"] == eval_set]
        finals = _finals(rows)
        paragraphs.append(_ranking(str(eval_set), metric, rows, finals))
        if len(here) > 0:
            views = pair_views(here)
            of_policies = coverage.has_one_seed
            margin = float(here["margin"].iloc[0])
            told = pair_sentences(finals, views, margin=margin, of_policies=of_policies)
            paragraphs += [" ".join(told), needed_seeds(here)]
            matrices.append(
                verdict_matrix(
                    finals,
                    views,
                    caption=_matrix_caption(str(eval_set), metric, here, coverage),
                    interval=f"{formatting.percent(coverage.level)} interval",
                    of_policies=of_policies,
                )
            )
    paragraphs.append(cost)
    return Summary(
        lead=tuple(lead_sentences(comparison, gains, pairs, coverage)),
        paragraphs=tuple(paragraph for paragraph in paragraphs if paragraph),
        matrices=tuple(matrices),
    )


def lead_sentences(
    comparison: pd.DataFrame, gains: pd.DataFrame, pairs: pd.DataFrame, coverage: Coverage
) -> list[str]:
    """Return what a reader in a hurry should know: which is best, or that one seed cannot say.

    Args:
        comparison: The comparison table.
        gains: The table of paired gains.
        pairs: The table of pairs.
        coverage: Of their intervals.
    """
    if coverage.has_one_seed:
        return [ONE_SEED if len(coverage.seeds) > 1 else _ONE_SEED_ALONE]
    sentences = []
    for eval_set, rows in final_table(comparison, gains).groupby("eval_set", sort=False):
        metric, finals = _metric(comparison, rows), _finals(rows)
        if len(rows) == 1:
            row = rows.iloc[0]
            scores = float(row["initial"]), float(row["final"])
            gain = Interval(row["gain"], row["gain_ci_low"], row["gain_ci_high"])
            (name,) = finals
            sentences.append(gain_sentence(str(eval_set), metric, name, scores, gain))
        else:
            views = pair_views(pairs[pairs["eval_set"] == eval_set])
            sentences.append(lead_sentence(str(eval_set), metric, finals, views))
    return sentences


def _metric(comparison: pd.DataFrame, rows: pd.DataFrame) -> str:
    """Return what policies are compared by, with the k of these rows of the final table."""
    return formatting.metric_name(headline_metric(comparison), int(rows["k"].max()))


def _opening(comparison: pd.DataFrame, coverage: Coverage) -> str:
    rounds = final_rounds(comparison)
    length = formatting.counted_from_to(min(rounds.values()), max(rounds.values()), "round")
    eval_sets = [str(name) for name in comparison["eval_set"].unique()]
    was = "was" if len(rounds) == 1 else "were"
    seeds = coverage.seeds_in_words
    sentence = (
        f"{formatting.counted(len(rounds), 'algorithm')} ({formatting.listed(list(rounds))}) {was} "
        f"trained for {length} with {seeds} from the same initial policy and evaluated on "
        f"{formatting.listed(eval_sets)}. Brackets hold {coverage.intervals}"
    )
    if coverage.has_one_seed:
        return f"{sentence}."
    sentence += "; those of the initial policy, the same for all seeds, are over problems alone."
    if coverage.has_equal_seeds:
        return sentence
    each = [
        f"{name} {formatting.listed([str(seed) for seed in seeds])}"
        for name, seeds in coverage.seeds.items()
    ]
    return (
        f"{sentence} Not all were trained with the same seeds ({'; '.join(each)}): a pair is "
        "compared on the seeds of both."
    )


def _ranking(eval_set: str, metric: str, rows: pd.DataFrame, finals: Mapping[str, float]) -> str:
    by_name = {str(row["algorithm"]): row for row in rows.to_dict(orient="records")}
    ranked = [by_name[name] for name in finals]
    start = _with_interval(ranked[0], "initial", "initial_ci")
    ends = [f"{_with_interval(row, 'final', 'ci')} with {row['algorithm']}" for row in ranked]
    if len(ends) > _MOST_RANKED:
        became = f"became {ends[0]} to {ends[-1]}, the others between"
    elif len(ends) > 1:
        became = f"became, from the highest: {formatting.listed(ends)}"
    else:
        became = f"became {ends[0]}"
    sentence = f"On {eval_set} {metric} was {start} and {became}."
    lost = [row["algorithm"] for row in ranked if row["gain_ci_high"] < 0]
    unclear = [row["algorithm"] for row in ranked if row["gain_ci_low"] <= 0 <= row["gain_ci_high"]]
    if lost:
        sentence += f" {formatting.listed(lost)} ended below the initial policy."
    if len(unclear) == len(ranked) > 1:
        sentence += " No algorithm shows a change that can be told from chance."
    elif unclear:
        verb = "shows" if len(unclear) == 1 else "show"
        sentence += f" {formatting.listed(unclear)} {verb} no change that can be told from chance."
    return sentence


def _with_interval(row: Mapping[Hashable, Any], value: str, ends: str) -> str:
    return formatting.with_interval(row[value], row[f"{ends}_low"], row[f"{ends}_high"])


def _finals(rows: pd.DataFrame) -> dict[str, float]:
    """Return where each algorithm got to, from these rows of the final table: the best first."""
    return {
        str(name): float(value)
        for name, value in zip(rows["algorithm"], rows["final"], strict=True)
    }


def _matrix_caption(eval_set: str, metric: str, pairs: pd.DataFrame, coverage: Coverage) -> str:
    row = pairs.iloc[0]
    problems = formatting.counted(int(row["num_problems"]), "problem")
    if coverage.has_one_seed:
        what = "the trained policy of a row beside that of a column, not algorithms"
        over = f"{problems}, of one training seed"
    else:
        what = "the algorithm of a row beside that of a column"
        over = f"{coverage.seeds_in_words} and {problems}"
    corrected = f", corrected for {len(pairs)} pairs" if len(pairs) > 1 else ""
    return (
        f"{eval_set}: {what}, with the difference of {metric} and its p-value over {over}"
        f"{corrected}. Equivalent: shown to be less than {row['margin']:g} apart"
    )
