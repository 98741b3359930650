"""What a study found, in words and numbers."""

from typing import Any

import pandas as pd

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.study.dimensions import short_name
from pmd_pipeline.reporting.study.results import FAILED, FINISHED, PRUNED, StudySummary

_FLAT_RATIO = 3.0
_NOTABLE_SHARE = 0.1


def study_paragraphs(trials: pd.DataFrame, summary: StudySummary) -> list[str]:
    """Return the findings: the best parameters, how sure they are, how flat the optimum is.

    The trial with the highest value is called the best where it can be told from every other.
    """
    if summary.optimum is None:
        return [f"No trial has finished yet ({_counts(summary)})."]
    paragraphs = [_best(summary), _gain(trials, summary), _flatness(summary)]
    if summary.importances:
        paragraphs.append(_importance(summary))
    if summary.pareto:
        paragraphs.append(
            f"{formatting.counted(len(summary.pareto), 'trial')} "
            f"{'is' if len(summary.pareto) == 1 else 'are'} beaten by no other in accuracy and "
            f"seconds at once: {formatting.listed([str(number) for number in summary.pareto])}."
        )
    paragraphs.append(_caution(summary))
    return paragraphs


def _best(summary: StudySummary) -> str:
    optimum = _optimum(summary)
    values = formatting.listed(
        [
            f"{short_name(name)} {formatting.number(value)}"
            for name, value in optimum["values"].items()
        ]
    )
    text = (
        f"Of {_counts(summary)}, trial {optimum['trial']} {'is' if is_told(summary) else 'scores'} "
        f"{best_word(summary)}: {summary.metric} {formatting.share(optimum['value'])} on "
        f"{summary.num_validation_problems} validation problems, with {values}."
    )
    over = optimum["interval_of"]
    level = formatting.percent(summary.interval_level)
    bounds = formatting.interval(optimum["low"], optimum["high"])
    if over and bounds:
        text = f"{text} Its {level} interval over {over} is {bounds}."
    num_others = optimum["num_finished"] - 1
    if num_others == 0:
        return f"{text} No other trial has finished."
    if is_told(summary):
        return f"{text} No other trial's interval reaches it."
    others = f"{optimum['num_not_told']} of the {num_others} other finished trials"
    if num_others == 1:
        others = "the other finished trial"
    return f"{text} It cannot be told from {others}, so it need not be the best."


def _gain(trials: pd.DataFrame, summary: StudySummary) -> str:
    best = _optimum(summary)["value"]
    text = (
        f"The initial policy has {formatting.share(summary.initial_value)}, so this trial gained "
        f"{formatting.signed_share(best - summary.initial_value)}."
    )
    own = trials[(trials["trial"] == summary.current_trial) & (trials["state"] == FINISHED)]
    if own.empty:
        return text
    value = float(own["value"].iloc[0])
    if summary.current_trial == _optimum(summary)["trial"]:
        return f"{text} These are the experiment's own parameters: no other trial scored higher."
    return (
        f"{text} The experiment's own parameters (trial {summary.current_trial}) reach "
        f"{formatting.share(value)}: the {best_word(summary)} is "
        f"{formatting.signed_share(best - value)} away."
    )


def _flatness(summary: StudySummary) -> str:
    optimum = _optimum(summary)
    close, finished = optimum["num_close"], optimum["num_finished"]
    tolerance = formatting.share(optimum["tolerance"])
    if close == 1:
        return (
            f"The optimum is sharp or alone: no other of the {finished} finished trials came "
            f"within {tolerance} of it."
        )
    ranges = []
    for name, (low, high) in optimum["close_ranges"].items():
        text = (
            f"{short_name(name)} from {formatting.number(low)} to {formatting.number(high)}"
            if high > low
            else f"{short_name(name)} {formatting.number(low)}"
        )
        if low > 0 and high / low >= _FLAT_RATIO:
            text += f" (a factor of {high / low:.2g})"
        ranges.append(text)
    ranges += [
        f"{short_name(name)} {formatting.listed(choices)}"
        for name, choices in optimum["close_choices"].items()
    ]
    return (
        f"How flat the optimum is: {close} of {finished} finished trials came within {tolerance} "
        f"of the {best_word(summary)}, with {formatting.listed(ranges)}."
    )


def _importance(summary: StudySummary) -> str:
    ranked = sorted(summary.importances.items(), key=lambda item: -item[1])
    notable = [item for item in ranked if item[1] >= _NOTABLE_SHARE] or ranked[:1]
    shares = formatting.listed(
        [f"{short_name(name)} {formatting.percent(round(share, 2))}" for name, share in notable]
    )
    return f"What mattered, as a share of the finished trials' variance: {shares}."


def _caution(summary: StudySummary) -> str:
    text = (
        "The highest of many trials is partly the luckiest: expect a little less on other "
        "problems. The evaluation sets of kedro run took no part in this choice."
    )
    if summary.num_overlaps:
        text += (
            f" {formatting.counted(summary.num_overlaps, 'validation problem')} that an "
            "evaluation set has too took no part either."
        )
    return text


def is_told(summary: StudySummary) -> bool:
    """Return whether the trial with the highest value can be told from every other."""
    optimum = _optimum(summary)
    return bool(optimum["num_finished"] > 1 and optimum["num_not_told"] == 0)


def best_word(summary: StudySummary) -> str:
    """Return what the trial with the highest value may be called."""
    return "best" if is_told(summary) else "highest"


def _counts(summary: StudySummary) -> str:
    total = sum(summary.counts.values())
    parts = [
        f"{summary.counts[state]} {state}"
        for state in (FINISHED, PRUNED, FAILED)
        if summary.counts.get(state)
    ]
    return f"{formatting.counted(total, 'trial')} ({', '.join(parts) or 'none finished'})"


def _optimum(summary: StudySummary) -> dict[str, Any]:
    assert summary.optimum is not None
    return dict(summary.optimum)
