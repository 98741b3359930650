"""How much accuracy staleness costs: does one line of arms lose less than another."""

import numpy as np

from pmd_pipeline.claims.results import ClaimResults
from pmd_pipeline.claims.verdicts import outlook, words
from pmd_pipeline.claims.verdicts.arm_lines import line_name
from pmd_pipeline.claims.verdicts.findings import (
    difference_findings,
    only_shown,
    plain_finding,
)
from pmd_pipeline.claims.verdicts.panels import accuracy_estimate, mean_line, paired_differences
from pmd_pipeline.claims.verdicts.records import ClaimPanel, Finding, Judgement
from pmd_pipeline.config.claim_tests import ArmLine, DropTest
from pmd_pipeline.statistics.scores import FloatArray
from pmd_pipeline.statistics.two_level import two_level_estimate


def judge_drop(test: DropTest, results: ClaimResults) -> Judgement:
    """Return whether the first line loses less against its freshest arm than the second.

    One test decides, of the mean drop over all staler arms. What each of them loses is shown with
    tests of a family of their own.
    """
    of_first, of_second = (_drops(results, line) for line in (test.first, test.second))
    freshest = (test.first.arms[0], test.second.arms[0])
    labels = (line_name(test.first.arms), line_name(test.second.arms))
    name = f"mean drop of {labels[0]} {words.MINUS} of {labels[1]}"
    mean = {name: (of_first - of_second).mean(axis=0)}
    (headline,) = difference_findings(
        mean, wanted="lower", needs="all", alpha=test.alpha, margin=test.margin
    )
    each = {
        f"the same at {value:g}": first - second
        for value, first, second in zip(test.first.values[1:], of_first, of_second, strict=True)
    }
    shown = difference_findings(
        each, wanted="lower", needs="any", alpha=test.alpha, margin=test.margin
    )
    alone = tuple(
        plain_finding(f"mean drop of {label}", drops.mean(axis=0), "accuracy")
        for label, drops in zip(labels, (of_first, of_second), strict=True)
    )
    assert headline.outcome is not None
    return Judgement(
        outcome=headline.outcome,
        sentence=_sentence(labels, headline, alone),
        headline=headline,
        findings=(headline, *map(only_shown, shown), *alone),
        panels=(
            _accuracies(test, results),
            _lost(test, of_first, of_second),
            paired_differences(
                mean | each, (headline, *shown), y_label="difference of drops", margin=test.margin
            ),
        ),
        limits=(
            *_start(results, freshest),
            *outlook.ceilings(results, test.arms),
            *outlook.disagreements((headline,), mean, test.alpha),
            *outlook.needed(
                (headline,), mean[name], margin=test.margin, alpha=test.alpha, needs="all"
            ),
        ),
    )


def _drops(results: ClaimResults, line: ArmLine) -> FloatArray:
    """Return what each staler arm ends below the freshest, [C - 1, S, P]."""
    freshest = results.final_accuracies(line.arms[0])
    return np.stack([freshest - results.final_accuracies(arm) for arm in line.arms[1:]])


def _sentence(labels: tuple[str, str], headline: Finding, alone: tuple[Finding, ...]) -> str:
    less = f"{labels[0]} loses less to staleness than {labels[1]}"
    begin = words.verdict(less, headline.outcome)
    each = "; ".join(f"{finding.name} {words.with_interval(finding)}" for finding in alone)
    return f"{begin} {each[0].upper()}{each[1:]}; difference {words.with_interval(headline)}."


def _start(results: ClaimResults, freshest: tuple[str, str]) -> tuple[str, ...]:
    """Return a sentence where the freshest arms end apart: the higher one can fall further."""
    first, second = (float(results.final_accuracies(arm).mean()) for arm in freshest)
    if abs(first - second) < 0.03:
        return ()
    return (
        f"The freshest arms end at {first:.3f} ({freshest[0]}) and {second:.3f} ({freshest[1]}): "
        "the higher one has more to lose.",
    )


def _accuracies(test: DropTest, results: ClaimResults) -> ClaimPanel:
    lines = []
    for line in (test.first, test.second):
        estimates = [accuracy_estimate(results.final_accuracies(arm)) for arm in line.arms]
        lines.append(mean_line(line_name(line.arms), np.array(line.values), estimates))
    return ClaimPanel(
        title="Final accuracy",
        x_label=test.quantity,
        y_label="accuracy on held-out problems",
        lines=tuple(lines),
        log_x_ticks=_log_ticks(test.first.values, test),
    )


def _lost(test: DropTest, of_first: FloatArray, of_second: FloatArray) -> ClaimPanel:
    lines = [
        mean_line(
            line_name(line.arms),
            np.array(line.values[1:]),
            [two_level_estimate(table) for table in drops],
        )
        for line, drops in ((test.first, of_first), (test.second, of_second))
    ]
    return ClaimPanel(
        title="Lost against the freshest",
        x_label=test.quantity,
        y_label="accuracy lost",
        lines=tuple(lines),
        log_x_ticks=_log_ticks(test.first.values[1:], test),
    )


def _log_ticks(values: tuple[float, ...], test: DropTest) -> tuple[float, ...]:
    """Return the ticks of a logarithmic axis; none where one of the lines' values is 0."""
    return values if min(test.first.values) > 0 else ()
