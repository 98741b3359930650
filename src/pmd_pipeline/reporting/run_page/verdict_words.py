"""The verdicts in words: which algorithm is better, by how much, and what cannot be told."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.run_page.pair_views import PairView
from pmd_pipeline.statistics.interval import Interval

_MOST_LISTED = 3

Views = Mapping[tuple[str, str], PairView]


def gain_sentence(
    eval_set: str, metric: str, name: str, scores: tuple[float, float], gain: Interval
) -> str:
    """Return what the only algorithm has gained.

    Args:
        eval_set: On which problems.
        metric: What is scored, as people read it.
        name: The algorithm.
        scores: Of the initial policy, and of its own.
        gain: Paired, with its interval.
    """
    verb = "gains" if gain.low > 0 else "loses" if gain.high < 0 else "may gain or lose"
    if gain.low == gain.high == 0:
        verb = "neither gains nor loses"
    return (
        f"On {eval_set}, {name} {verb}: {metric} {formatting.share(scores[0])} before, "
        f"{formatting.share(scores[1])} after, {formatting.with_interval(*gain, signed=True)}."
    )


def lead_sentence(
    eval_set: str,
    metric: str,
    finals: Mapping[str, float],
    views: Views,
    *,
    noun: str = "algorithm",
) -> str:
    """Return how the algorithm with the highest score stands beside the others.

    Args:
        eval_set: On which problems.
        metric: What is scored, as people read it.
        finals: Final score of each algorithm, highest first; at least two.
        views: Of their pairs.
        noun: What they are called, if they are no algorithms.
    """
    best, *others = finals
    by_verdict = _grouped(best, others, views)
    better, unclear = by_verdict["better"], by_verdict["cannot be told"]
    if len(better) == len(others):
        nearest = views[best, others[0]]
        every = f"every other {noun}" if len(others) > 1 else others[0]
        beyond = f" above {nearest.second}, the next" if len(others) > 1 else ""
        p_value = formatting.p_value(nearest.p_value)
        return (
            f"On {eval_set}, {best} is better than {every}: {metric} "
            f"{formatting.share(finals[best])}, {_size(nearest)}{beyond} ({p_value})."
        )
    parts = []
    if unclear:
        parts.append(f"cannot be told from {formatting.listed(unclear)}")
    if by_verdict["equivalent"]:
        parts.append(f"is equivalent to {formatting.listed(by_verdict['equivalent'])}")
    if better:
        parts.append(f"is better than {formatting.listed(better)}")
    if by_verdict["worse"]:  # on the training seeds of both
        parts.append(f"is worse than {formatting.listed(by_verdict['worse'])}")
    score = formatting.share(finals[best])
    tied = [name for name in others if finals[name] == finals[best]]
    too = f", as {'has' if len(tied) == 1 else 'have'} {formatting.listed(tied)}" if tied else ""
    if tied == others:
        doubt = "; that does not show them equivalent" if unclear else ""
        everyone = formatting.listed(list(finals))
        return f"On {eval_set}, {everyone} have the same {metric}, {score}{doubt}."
    return (
        f"On {eval_set}, {best} has the highest {metric}, {score}{too}; it "
        f"{formatting.listed(parts)}."
    )


def pair_sentences(
    finals: Mapping[str, float], views: Views, *, margin: float, of_policies: bool
) -> list[str]:
    """Return what is better than what, what is as good, and what cannot be told.

    Args:
        finals: Final score of each algorithm, highest first.
        views: Of their pairs.
        margin: The difference from which on one matters.
        of_policies: True to speak of the trained policies of one training seed, not of algorithms.
    """
    names = list(finals)
    sentences = []
    for name in names:
        beside = [views[name, other] for other in names if other != name]
        better = [view for view in beside if view.verdict == "better"]
        if better:
            if of_policies:
                of = "that of" if len(better) == 1 else "those of"
                sentences.append(f"The policy of {name} scores above {of} {_beaten(better)}.")
            else:
                sentences.append(f"{name} is better than {_beaten(better)}.")
    for verdict, opening in (
        ("equivalent", f"Equivalent, shown to be less than {margin:g} apart: "),
        ("cannot be told", "Cannot be told apart: "),
    ):
        alike = [
            view
            for place, name in enumerate(names)
            for other in names[place + 1 :]
            if (view := views[name, other]).verdict == verdict
        ]
        if alike:
            sentences.append(f"{opening}{_pairs(alike, len(views) // 2)}.")
    return sentences


def needed_seeds(pairs: pd.DataFrame) -> str:
    """Return what it would take to tell the pairs that cannot be told; empty if there is none.

    Args:
        pairs: Rows of one evaluation set, from several training seeds.
    """
    unclear = pairs[pairs["verdict"] == "cannot be told"]
    if unclear.empty or unclear["difference_told"].isna().all():
        return ""
    row = unclear.iloc[0]
    seeds = formatting.counted(int(row["num_seeds"]), "seed")
    problems = formatting.counted(int(row["num_problems"]), "problem")
    told = [formatting.share(end) for end in _ends(unclear["difference_told"])]
    twice = [formatting.share(end) for end in _ends(unclear["difference_told_by_twice_the_seeds"])]
    if len(unclear) == 1:
        least = f"it is at least {told[0]}, with twice the seeds at least {twice[0]}"
    else:
        least = (
            f"it is at least {told[0]} for the steadiest of these pairs and {told[1]} for the "
            f"least steady, with twice the seeds at least {twice[0]} and {twice[1]}"
        )
    return (
        f"What it would take: with {seeds} and {problems} a true difference is found four times "
        f"in five where {least}. One of {row['margin']:g}, from which on it matters here, "
        f"{_seeds_for_margin(unclear)}."
    )


def _seeds_for_margin(pairs: pd.DataFrame) -> str:
    known = pairs["seeds_to_tell"].dropna().astype(int)
    if known.empty:
        return "would take more than 1,000 seeds, or more problems"
    fewest, most = f"{known.min():,}", f"{known.max():,}"
    text = (
        f"would take {fewest} seeds" if fewest == most else f"would take {fewest} to {most} seeds"
    )
    return f"{text} or more" if len(known) < len(pairs) else text


def _ends(values: pd.Series) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _grouped(name: str, others: Sequence[str], views: Views) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {
        verdict: [] for verdict in ("better", "worse", "equivalent", "cannot be told")
    }
    for other in others:
        groups[views[name, other].verdict].append(other)
    return groups


def _beaten(better: Sequence[PairView]) -> str:
    if len(better) == 1:
        (view,) = better
        return f"{view.second} by {_size(view)} ({formatting.p_value(view.p_value)})"
    differences = [view.difference for view in better]
    names = formatting.listed([view.second for view in better])
    largest = formatting.p_value(max(view.p_value for view in better)).replace("=", "at most")
    span = f"{formatting.share(min(differences))} to {formatting.share(max(differences))}"
    return f"{names} by {span} (each {largest})"


def _pairs(alike: Sequence[PairView], num_pairs: int) -> str:
    if len(alike) > _MOST_LISTED:
        return f"{len(alike)} of the {num_pairs} pairs, see the table"
    return "; ".join(f"{view.first} and {view.second} ({_difference(view)})" for view in alike)


def _difference(view: PairView) -> str:
    amount = formatting.with_interval(view.difference, view.low, view.high, signed=True)
    return f"{amount}, {formatting.p_value(view.p_value)}"


def _size(view: PairView) -> str:
    """Return a difference whose direction the sentence gives."""
    return formatting.with_interval(view.difference, view.low, view.high)
