"""How far round 1 takes log-probs down: is it further for the first arm of each comparison."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pmd_pipeline.claims.results import ClaimResults, GroupShift, UnitResult
from pmd_pipeline.claims.verdicts import words
from pmd_pipeline.claims.verdicts.arm_lines import declared_lines
from pmd_pipeline.claims.verdicts.findings import per_pair_findings
from pmd_pipeline.claims.verdicts.panels import per_pair_line
from pmd_pipeline.claims.verdicts.records import (
    ClaimPanel,
    Judgement,
    Outcome,
    Unit,
    all_of,
    decisive,
)
from pmd_pipeline.config.claim_tests import LogRatioTest
from pmd_pipeline.config.claims import ClaimConfig
from pmd_pipeline.statistics.scores import FloatArray

_TAU = "algorithm.tau"
_MEASURES = {
    "last_mini_batch_min": ("least log-ratio of the last mini-batch", "nats"),
    "wrong_mean": ("mean log-ratio of wrong responses", "nats"),
    "right_slope": ("progress of right responses", "share of the most they could gain"),
}


def judge_log_ratios(test: LogRatioTest, claim: ClaimConfig, results: ClaimResults) -> Judgement:
    """Return whether every measure is lower for the first arm of every comparison.

    The tests are sign flips over pairs. The claim holds if each says lower, and does not if one,
    corrected by Holm, says higher.
    """
    differences = {
        _name(pair.first, pair.second, measure): _difference(results, pair.arms, measure)
        for measure in test.measures
        for pair in test.comparisons
    }
    findings = tuple(
        replace(finding, unit=_unit(finding.name))
        for finding in per_pair_findings(differences, wanted="lower", alpha=test.alpha, unit="nats")
    )
    outcome = all_of(findings)
    headline = decisive(findings, outcome)
    return Judgement(
        outcome=outcome,
        sentence=f"Lower is shown in {words.counted_of(findings, Outcome.HOLDS)} tests, higher in "
        f"{words.counted_of(findings, Outcome.DOES_NOT_HOLD)}. {headline.name}: "
        f"{words.with_interval(headline)}.",
        headline=headline,
        findings=findings,
        panels=_panels(test.measures, claim, results),
        limits=_limits(differences),
    )


def round_measure(unit: UnitResult, measure: str) -> float:
    """Return a measure of round 1; NaN where there is nothing to measure.

    Args:
        unit: One run.
        measure: ``last_mini_batch_min``: the least log-ratio of the last mini-batch;
            ``wrong_mean``: the mean over wrong responses; ``right_slope``: the least-squares slope
            through 0, weighted by responses, of the mean log-ratio of a group's right responses on
            the most that they could gain, ``-log(share of right ones)``. At a fixed point at small
            tau it is 1; below 0, right responses have become less likely.
    """
    groups = [group for group in unit.groups if group.round == 1]
    if measure == "last_mini_batch_min":
        return min((g.log_ratio_min for g in groups if g.is_last), default=math.nan)
    if measure == "wrong_mean":
        wrong = [group for group in groups if group.num_wrong > 0]
        if not wrong:
            return math.nan
        return float(
            np.average([g.wrong_mean for g in wrong], weights=[g.num_wrong for g in wrong])
        )
    return _right_slope([group for group in groups if group.num_right and group.num_wrong])


def _right_slope(groups: Sequence[GroupShift]) -> float:
    if not groups:
        return math.nan
    most = -np.log([group.right_fraction for group in groups])
    gained = np.array([group.right_mean for group in groups])
    weights = np.array([group.num_right for group in groups])
    return float((weights * gained * most).sum() / (weights * np.square(most)).sum())


def _of_arm(results: ClaimResults, arm: str, measure: str) -> FloatArray:
    return np.array([round_measure(unit, measure) for unit in results.arms[arm]])


def _difference(results: ClaimResults, arms: Sequence[str], measure: str) -> FloatArray:
    first, second = (_of_arm(results, arm, measure) for arm in arms)
    return first - second


def _name(first: str, second: str, measure: str) -> str:
    return f"{first} {words.MINUS} {second}, {_MEASURES[measure][0]}"


def _unit(name: str) -> Unit:
    """Return a measure's unit: progress is a share of what could be gained."""
    return "number" if name.endswith(_MEASURES["right_slope"][0]) else "nats"


def _limits(differences: dict[str, FloatArray]) -> tuple[str, ...]:
    missing = sum(int((~np.isfinite(values)).any()) for values in differences.values())
    if not missing:
        return ()
    leave = "leaves" if missing == 1 else "leave"
    return (
        f"{words.counted(missing, 'test')} {leave} out pairs in which a measure has no finite "
        "value.",
    )


def _panels(
    measures: Sequence[str], claim: ClaimConfig, results: ClaimResults
) -> tuple[ClaimPanel, ...]:
    panels = []
    for measure in measures:
        title, y_label = _MEASURES[measure]
        lines = [
            per_pair_line(
                line.label,
                np.array(line.values),
                [_of_arm(results, arm, measure) for arm in line.arms],
            )
            for line in declared_lines(claim.arms, _TAU)
        ]
        if lines:
            panels.append(
                ClaimPanel(
                    title=title[0].upper() + title[1:],
                    x_label="tau",
                    y_label=y_label,
                    lines=tuple(lines),
                    log_x_ticks=tuple(sorted({x for line in lines for x in line.x.tolist()})),
                    level=(0.0, "no change"),
                )
            )
    return tuple(panels)
