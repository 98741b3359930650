"""How accuracy rises with a number, such as group size: is one line of arms steeper."""

import numpy as np

from pmd_pipeline.claims.results import ClaimResults
from pmd_pipeline.claims.verdicts import outlook, words
from pmd_pipeline.claims.verdicts.arm_lines import line_name, parameter_name
from pmd_pipeline.claims.verdicts.findings import difference_findings, plain_finding
from pmd_pipeline.claims.verdicts.panels import (
    accuracy_estimate,
    mean_line,
    paired_differences,
)
from pmd_pipeline.claims.verdicts.records import ClaimPanel, Finding, Judgement
from pmd_pipeline.config.claim_tests import ArmLine, ArmPair, SlopeTest
from pmd_pipeline.config.claims import ClaimConfig
from pmd_pipeline.statistics.contrasts import slopes
from pmd_pipeline.statistics.scores import FloatArray


def judge_slope(test: SlopeTest, claim: ClaimConfig, results: ClaimResults) -> Judgement:
    """Return whether final accuracy rises more per doubling along the first line than the second.

    One test, of the interaction of line and log2 of the number, with the pair as its unit.
    """
    of_first, of_second = (_slopes(results, line) for line in (test.first, test.second))
    first, second = (line_name(line.arms) for line in (test.first, test.second))
    name = f"slope of {first} {words.MINUS} slope of {second}"
    tables = {name: of_first - of_second}
    (headline,) = difference_findings(
        tables, wanted="higher", needs="all", alpha=test.alpha, margin=test.margin
    )
    alone = tuple(
        plain_finding(f"slope of {line_name(line.arms)}", table, "accuracy")
        for line, table in ((test.first, of_first), (test.second, of_second))
    )
    checks = tuple(_check(results, pair) for pair in test.identical)
    assert headline.outcome is not None
    return Judgement(
        outcome=headline.outcome,
        sentence=_sentence(test, headline, alone),
        headline=headline,
        findings=(headline, *alone, *checks),
        panels=(
            _panel(test, claim, results),
            paired_differences(
                tables, (headline,), y_label="accuracy per doubling", margin=test.margin
            ),
        ),
        limits=(
            *_check_limits(results, test),
            *outlook.ceilings(results, test.arms),
            *outlook.disagreements((headline,), tables, test.alpha),
            *outlook.needed(
                (headline,), tables[name], margin=test.margin, alpha=test.alpha, needs="all"
            ),
        ),
    )


def _slopes(results: ClaimResults, line: ArmLine) -> FloatArray:
    """Return accuracy per doubling of each pair and problem, [S, P]."""
    tables = np.stack([results.final_accuracies(arm) for arm in line.arms])
    return slopes(tables, np.log2(line.values))


def _sentence(test: SlopeTest, headline: Finding, alone: tuple[Finding, ...]) -> str:
    steeper = f"{line_name(test.first.arms)} rises more steeply than {line_name(test.second.arms)}"
    begin = words.verdict(steeper, headline.outcome)
    each = " and ".join(words.with_interval(finding) for finding in alone)
    return f"{begin} Accuracy per doubling: {each}; difference {words.with_interval(headline)}."


def _check(results: ClaimResults, pair: ArmPair) -> Finding:
    difference = results.final_accuracies(pair.first) - results.final_accuracies(pair.second)
    return plain_finding(
        f"check, {pair.first} {words.MINUS} {pair.second}, final accuracy", difference, "accuracy"
    )


def _check_limits(results: ClaimResults, test: SlopeTest) -> tuple[str, ...]:
    notes = []
    for pair in test.identical:
        first, second = (results.final_accuracies(arm) for arm in pair.arms)
        is_same = (first == second).all(axis=1)
        if not is_same.all():
            notes.append(
                f"{pair.first} and {pair.second} have the same loss but for rounding; "
                f"{int(is_same.sum())} of {is_same.size} pairs end with the same accuracies, and "
                f"means of a pair lie up to {_largest(first - second):.3f} apart: rounding alone "
                "can do that."
            )
    return tuple(notes)


def _largest(difference: FloatArray) -> float:
    return float(np.abs(difference.mean(axis=1)).max())


def _panel(test: SlopeTest, claim: ClaimConfig, results: ClaimResults) -> ClaimPanel:
    lines = []
    # The second, which the first is compared with, has the first colour, as in other claims.
    for line in (test.second, test.first):
        estimates = [accuracy_estimate(results.final_accuracies(arm)) for arm in line.arms]
        lines.append(mean_line(line_name(line.arms), np.array(line.values), estimates))
    return ClaimPanel(
        title="Final accuracy",
        x_label=parameter_name(claim.arms, test.first),
        y_label="accuracy on held-out problems",
        lines=tuple(lines),
        log_x_ticks=test.first.values,
    )
