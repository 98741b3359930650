"""How often runs of one arm end below the policy they began with, and runs of another."""

from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter

import numpy as np

from pmd_pipeline.claims.results import ClaimResults
from pmd_pipeline.claims.verdicts import words
from pmd_pipeline.claims.verdicts.arm_lines import declared_lines
from pmd_pipeline.claims.verdicts.panels import accuracy_estimate, mean_line
from pmd_pipeline.claims.verdicts.records import (
    ClaimPanel,
    Finding,
    Judgement,
    Line,
    Outcome,
    all_of,
    decisive,
)
from pmd_pipeline.config.claim_tests import CollapseTest
from pmd_pipeline.config.claims import ClaimConfig
from pmd_pipeline.statistics.collapses import CollapseComparison, compare_collapses
from pmd_pipeline.statistics.multiple_tests import holm
from pmd_pipeline.statistics.shares import exact_share

_TAU = "algorithm.tau"


def judge_collapses(test: CollapseTest, claim: ClaimConfig, results: ClaimResults) -> Judgement:
    """Return whether the first arm of every comparison collapses and the second does not.

    A comparison holds where the declared shares of both are met and McNemar's p-value is below
    ``alpha``: its raw one, as all comparisons must hold. Where the shares are met but the pairs
    are too few for such a p-value, it cannot be told. It does not hold where they are not met.
    """
    counts = [
        compare_collapses(collapsed(results, pair.first), collapsed(results, pair.second))
        for pair in test.comparisons
    ]
    corrected = holm([count.p_value for count in counts])
    findings: list[Finding] = []
    for pair, count, p_holm in zip(test.comparisons, counts, corrected, strict=True):
        outcome = _outcome(test, count, len(results.seeds))
        says = f"{count.num_first} against {count.num_second} of {len(results.seeds)}"
        first, second = (_share(results, arm) for arm in pair.arms)
        tested = replace(
            first,
            test="McNemar",
            p_value=count.p_value,
            p_holm=p_holm,
            deciding_p=count.p_value,
            says=says,
            outcome=outcome,
        )
        findings += [tested, second]
    outcome = all_of(findings)
    return Judgement(
        outcome=outcome,
        sentence=_sentence(test, tuple(findings)),
        headline=_headline(test, findings, outcome),
        findings=tuple(findings),
        panels=_panels(claim, results),
        limits=_limits(results, test),
    )


def _headline(test: CollapseTest, findings: Sequence[Finding], outcome: Outcome) -> Finding:
    """Return the share that the verdict is shown with: where one is missed, by the most."""
    if outcome is not Outcome.DOES_NOT_HOLD:
        return decisive(findings, outcome)
    too_few = [(test.least_fraction - finding.value, finding) for finding in findings[::2]]
    too_many = [(finding.value - test.most_fraction, finding) for finding in findings[1::2]]
    return max([*too_few, *too_many], key=itemgetter(0))[1]


def collapsed(results: ClaimResults, arm: str) -> np.ndarray:
    """Return which of an arm's runs end below the initial policy of their pair, [S]."""
    final = results.final_accuracies(arm).mean(axis=1)
    return np.asarray(final < results.initial_accuracies(arm).mean(axis=1))


def _share(results: ClaimResults, arm: str) -> Finding:
    is_lost = collapsed(results, arm)
    share = exact_share(int(is_lost.sum()), is_lost.size)
    return Finding(
        name=f"{arm}: runs that end below the initial policy",
        value=share.value,
        low=share.low,
        high=share.high,
        unit="share",
        covers="pairs, on these problems",
    )


def _outcome(test: CollapseTest, count: CollapseComparison, num_pairs: int) -> Outcome:
    is_met = (
        count.num_first >= test.least_fraction * num_pairs
        and count.num_second <= test.most_fraction * num_pairs
    )
    if not is_met:
        return Outcome.DOES_NOT_HOLD
    return Outcome.HOLDS if count.p_value < test.alpha else Outcome.CANNOT_BE_TOLD


def _sentence(test: CollapseTest, findings: tuple[Finding, ...]) -> str:
    deciding = findings[::2]
    counts = "; ".join(
        f"{pair.first} against {pair.second}: {finding.says}"
        for pair, finding in zip(test.comparisons, deciding, strict=True)
    )
    return f"Runs that end below the initial policy: {counts}."


def _limits(results: ClaimResults, test: CollapseTest) -> tuple[str, ...]:
    close = [
        arm
        for arm in dict.fromkeys(test.arms)
        if 0 < int(collapsed(results, arm).sum()) < len(results.seeds)
        and _median_fall(results, arm) < 0.02
    ]
    if not close:
        return ()
    return (
        f"Runs of {words.listed(close)} that count as collapsed end less than 0.02 below the "
        "initial policy (median): lost progress rather than a breakdown.",
    )


def _median_fall(results: ClaimResults, arm: str) -> float:
    fall = (results.initial_accuracies(arm) - results.final_accuracies(arm)).mean(axis=1)
    return float(np.median(fall[fall > 0]))


def _panels(claim: ClaimConfig, results: ClaimResults) -> tuple[ClaimPanel, ...]:
    """Return accuracy and share of collapses over tau, a line per algorithm."""
    accuracies, shares = [], []
    for line in declared_lines(claim.arms, _TAU):
        x = np.array(line.values)
        tables = [results.final_accuracies(arm) for arm in line.arms]
        accuracies.append(mean_line(line.label, x, [accuracy_estimate(table) for table in tables]))
        lost = [collapsed(results, arm) for arm in line.arms]
        exact = [exact_share(int(found.sum()), found.size) for found in lost]
        value, low, high = (np.array(part) for part in zip(*exact, strict=True))
        shares.append(Line(label=line.label, x=x, y=value, low=low, high=high))
    if not accuracies:
        return ()
    ticks = tuple(sorted({value for line in accuracies for value in line.x.tolist()}))
    initial = float(np.mean([results.initial_accuracies(arm).mean() for arm in claim.arms]))
    return (
        ClaimPanel(
            title="Final accuracy",
            x_label="tau",
            y_label="accuracy on held-out problems",
            lines=tuple(accuracies),
            log_x_ticks=ticks,
            level=(initial, "initial policies"),
            y_range=(0.0, 1.0),
        ),
        ClaimPanel(
            title="Runs that collapse",
            x_label="tau",
            y_label="share of runs",
            lines=tuple(shares),
            log_x_ticks=ticks,
            y_range=(-0.03, 1.03),
        ),
    )
