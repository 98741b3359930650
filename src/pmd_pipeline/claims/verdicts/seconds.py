"""How many CPU seconds of training it takes to reach an accuracy: is one arm quicker."""

import math
from dataclasses import replace

import numpy as np

from pmd_pipeline.claims.results import ClaimResults
from pmd_pipeline.claims.verdicts import words
from pmd_pipeline.claims.verdicts.findings import per_pair_findings
from pmd_pipeline.claims.verdicts.panels import paired_differences
from pmd_pipeline.claims.verdicts.records import (
    ClaimPanel,
    Finding,
    Judgement,
    Line,
    Outcome,
    all_of,
    decisive,
)
from pmd_pipeline.claims.verdicts.tables import evaluations, training_seconds
from pmd_pipeline.config.claim_tests import ArmPair, SecondsTest
from pmd_pipeline.statistics.scores import FloatArray
from pmd_pipeline.statistics.times import log_ratios_of_times, time_to_reach


def judge_seconds(test: SecondsTest, results: ClaimResults) -> Judgement:
    """Return whether the first arm of every comparison reaches the accuracy sooner.

    The ratio is a geometric mean over pairs, tested by sign flips of its logs. A run that never
    reaches the accuracy counts with all its seconds, less than it would need: to the advantage of
    its arm. So a comparison cannot hold where such a run is the first arm's, and cannot fail where
    it is the second's.
    """
    times = {arm: reaching_seconds(results, arm, test.accuracy) for arm in test.arms}
    ratios = {_name(pair): _log_ratios(results, times, pair) for pair in test.comparisons}
    tested = per_pair_findings(ratios, wanted="lower", alpha=test.alpha, unit="ratio")
    findings = tuple(
        _as_ratio(finding, open_outcomes=_flattered(times, pair))
        for finding, pair in zip(tested, test.comparisons, strict=True)
    )
    outcome = all_of(findings)
    return Judgement(
        outcome=outcome,
        sentence=_sentence(findings, test.accuracy),
        headline=decisive(findings, outcome),
        findings=findings,
        panels=(
            *(_panel(results, pair, test.accuracy) for pair in test.comparisons),
            paired_differences(
                {name: np.exp(values) for name, values in ratios.items()},
                findings,
                y_label="seconds, first over second",
                level=(1.0, "equally quick"),
                title="Paired ratios",
            ),
        ),
        limits=(*_limits(times, test), *_already_there(ratios)),
    )


def reaching_seconds(results: ClaimResults, arm: str, accuracy: float) -> FloatArray:
    """Return when each run of an arm first reaches an accuracy, [S]; NaN if it never does."""
    curves = evaluations(results, arm).mean(axis=2)  # [E, S]
    seconds = training_seconds(results, arm)
    return np.array(
        [
            time_to_reach(curves[:, pair], seconds[:, pair], accuracy)
            for pair in range(curves.shape[1])
        ]
    )


def _log_ratios(results: ClaimResults, times: dict[str, FloatArray], pair: ArmPair) -> FloatArray:
    first, second = (
        np.where(np.isnan(times[arm]), training_seconds(results, arm)[-1], times[arm])
        for arm in pair.arms
    )
    return log_ratios_of_times(first, second)


def _name(pair: ArmPair) -> str:
    return f"seconds of {pair.first} over those of {pair.second}"


def _flattered(times: dict[str, FloatArray], pair: ArmPair) -> set[Outcome]:
    """Return the outcomes that runs which never reach the accuracy speak for without reason."""
    outcomes = {pair.first: Outcome.HOLDS, pair.second: Outcome.DOES_NOT_HOLD}
    return {outcome for arm, outcome in outcomes.items() if np.isnan(times[arm]).any()}


def _as_ratio(finding: Finding, *, open_outcomes: set[Outcome]) -> Finding:
    is_open = finding.outcome in open_outcomes
    return replace(
        finding,
        value=math.exp(finding.value),
        low=math.exp(finding.low),
        high=math.exp(finding.high),
        outcome=Outcome.CANNOT_BE_TOLD if is_open else finding.outcome,
    )


def _sentence(findings: tuple[Finding, ...], accuracy: float) -> str:
    each = "; ".join(f"{finding.name}: {words.with_interval(finding)}" for finding in findings)
    return f"CPU seconds of training until an accuracy of {accuracy:g}: {each}."


def _limits(times: dict[str, FloatArray], test: SecondsTest) -> tuple[str, ...]:
    notes = []
    for arm, seconds in times.items():
        num_missed = int(np.isnan(seconds).sum())
        if num_missed:
            notes.append(
                f"{num_missed} of {seconds.size} runs of {arm} never reach {test.accuracy:g}; they "
                "count with all their seconds, less than they would need."
            )
    return tuple(notes)


def _already_there(ratios: dict[str, FloatArray]) -> tuple[str, ...]:
    """Return a sentence on pairs without a ratio: one of the two needed no training."""
    num_left_out = sum(int(np.isnan(values).sum()) for values in ratios.values())
    if not num_left_out:
        return ()
    return (
        f"{words.counted(num_left_out, 'pair')} left out: the initial policy had that accuracy.",
    )


def _panel(results: ClaimResults, pair: ArmPair, accuracy: float) -> ClaimPanel:
    lines: list[Line] = []
    for arm in pair.arms:
        curves, seconds = evaluations(results, arm).mean(axis=2), training_seconds(results, arm)
        lines += (
            Line(label=arm, x=seconds[:, i], y=curves[:, i], role="pair")
            for i in range(curves.shape[1])
        )
        lines.append(Line(label=arm, x=seconds.mean(axis=1), y=curves.mean(axis=1)))
    return ClaimPanel(
        title="Accuracy over training time",
        x_label="CPU seconds of training",
        y_label="accuracy on held-out problems",
        lines=tuple(lines),
        level=(accuracy, "to reach"),
    )
