"""How far round 1 takes wrong responses down, by how often a prompt is solved."""

import math
from typing import get_args

import numpy as np

from pmd_pipeline.claims.results import ClaimResults, GroupShift, UnitResult
from pmd_pipeline.claims.verdicts import words
from pmd_pipeline.claims.verdicts.arm_lines import line_name
from pmd_pipeline.claims.verdicts.findings import (
    flatness_finding,
    only_shown,
    per_pair_findings,
)
from pmd_pipeline.claims.verdicts.panels import per_pair_line
from pmd_pipeline.claims.verdicts.records import (
    ClaimPanel,
    Finding,
    Judgement,
    Line,
    Outcome,
    all_of,
    decisive,
)
from pmd_pipeline.config.claim_tests import ArmLine, ShiftTest
from pmd_pipeline.config.theory import PmdMethod
from pmd_pipeline.statistics.contrasts import weighted_slope
from pmd_pipeline.statistics.scores import FloatArray
from pmd_pipeline.theory import predict_update

_MEASURES = {"wrong_mean": "shift of wrong responses", "kl": "KL"}
_CURVE_POINTS = 60


def judge_shift(test: ShiftTest, results: ClaimResults) -> Judgement:
    """Return whether the shift of wrong responses grows with the pass rate for one line alone.

    The shift is minus the mean log-ratio of a group's wrong responses. Each pair has a slope per
    line: over the means of bins of pass rates, of all groups of round 1 of all the line's arms, as
    many times as a bin has groups. The claim holds if the growing line's slope is above 0 and the
    other's is within ``flat_margin`` times it on either side of 0; it does not hold if the growing
    line's is below 0, or the other's outside.

    The KL divergence is shown and does not decide: by theory PMD-part's falls with the pass rate,
    as -log p at small tau.
    """
    of = {
        (name, line_name): _slopes(test, results, line, name)
        for name in _MEASURES
        for line_name, line in (("growing", test.growing), ("flat", test.flat))
    }
    growing, flat = (line_name(line.arms) for line in (test.growing, test.flat))
    slope = f"slope over the pass rate: {_MEASURES['wrong_mean']}, "
    (rising,) = per_pair_findings(
        {slope + growing: of["wrong_mean", "growing"]},
        wanted="higher",
        alpha=test.alpha,
        unit="nats per pass rate",
    )
    level = flatness_finding(
        slope + flat,
        of["wrong_mean", "flat"],
        test.flat_margin * of["wrong_mean", "growing"],
        alpha=test.alpha,
        unit="nats per pass rate",
    )
    shown = per_pair_findings(
        {
            f"{slope}{growing} {words.MINUS} {flat}": of["wrong_mean", "growing"]
            - of["wrong_mean", "flat"],
            f"slope over the pass rate: KL, {growing}": of["kl", "growing"],
            f"slope over the pass rate: KL, {flat}": of["kl", "flat"],
        },
        wanted="higher",
        alpha=test.alpha,
        unit="nats per pass rate",
    )
    outcome = all_of((rising, level))
    return Judgement(
        outcome=outcome,
        sentence=_sentence(rising, level, growing, flat),
        headline=decisive((rising, level), outcome),
        findings=(rising, level, *map(only_shown, shown)),
        panels=tuple(_panel(test, results, name) for name in _MEASURES),
        limits=_limits(results, test),
    )


def binned(
    units: tuple[UnitResult, ...], bins: tuple[float, ...], measure: str
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mean pass rate, mean measure and number of groups of each bin.

    Args:
        units: Runs of one pair: of all arms of a line.
        bins: Bounds of the pass rates, [B + 1]; a bin has its upper bound and not its lower one.
        measure: ``wrong_mean``: minus the mean log-ratio of wrong responses; ``kl``.

    Returns:
        Three arrays, [B], of round 1. Groups without right or without wrong responses have no
        signal and are left out. NaN in an empty bin.
    """
    groups = [
        group
        for unit in units
        for group in unit.groups
        if group.round == 1 and group.num_right and group.num_wrong
    ]
    rates = np.array([group.right_fraction for group in groups])
    values = np.array([_value(group, measure) for group in groups])
    places = np.searchsorted(bins, rates, side="left") - 1
    counts = np.array([(places == place).sum() for place in range(len(bins) - 1)], dtype=float)
    mean_rates, means = (
        np.array(
            [
                part[places == place].mean() if count else math.nan
                for place, count in enumerate(counts)
            ]
        )
        for part in (rates, values)
    )
    return mean_rates, means, counts


def _value(group: GroupShift, measure: str) -> float:
    return -group.wrong_mean if measure == "wrong_mean" else group.kl


def _units(results: ClaimResults, line: ArmLine, pair: int) -> tuple[UnitResult, ...]:
    return tuple(results.arms[arm][pair] for arm in line.arms)


def _slopes(test: ShiftTest, results: ClaimResults, line: ArmLine, measure: str) -> FloatArray:
    """Return each pair's slope over the bins, [S]."""
    slopes = []
    for pair in range(len(results.seeds)):
        rates, means, counts = binned(_units(results, line, pair), test.bins, measure)
        kept = counts > 0
        slopes.append(weighted_slope(means[kept], rates[kept], counts[kept]))
    return np.array(slopes)


def _sentence(rising: Finding, level: Finding, growing: str, flat: str) -> str:
    grows = {
        "higher": "The shift grows with the pass rate",
        "lower": "The shift falls with the pass rate",
    }.get(rising.says, "Whether the shift grows with the pass rate cannot be told")
    stays = {
        Outcome.HOLDS: "is flat",
        Outcome.DOES_NOT_HOLD: "is not flat",
    }.get(level.outcome or Outcome.CANNOT_BE_TOLD, "cannot be told to be flat or not")
    return (
        f"{grows} for {growing}: {words.with_interval(rising)}; that of {flat} {stays}: "
        f"{words.with_interval(level)}."
    )


def _limits(results: ClaimResults, test: ShiftTest) -> tuple[str, ...]:
    notes = [
        "The pass rate is that of the group's own rollouts, an estimate, for both lines alike."
    ]
    initial = [
        f"{float(results.initial_accuracies(arm).mean()):.3f} for a wanted {value:g}"
        for arm, value in zip(test.growing.arms, test.growing.values, strict=True)
    ]
    notes.append(f"The warm starts have pass rates of {words.listed(initial)}.")
    return tuple(notes)


def _panel(test: ShiftTest, results: ClaimResults, measure: str) -> ClaimPanel:
    lines: list[Line] = []
    for line in (test.growing, test.flat):
        measured = _measured_line(test, results, line, measure)
        lines += [measured, *_theory_line(results, line, measure, measured)]
    return ClaimPanel(
        title=f"{_MEASURES[measure][0].upper()}{_MEASURES[measure][1:]} in round 1",
        x_label="pass rate of the prompt",
        y_label="nats down" if measure == "wrong_mean" else "nats",
        lines=tuple(lines),
    )


def _measured_line(test: ShiftTest, results: ClaimResults, line: ArmLine, measure: str) -> Line:
    of_pairs = [
        binned(_units(results, line, pair), test.bins, measure)
        for pair in range(len(results.seeds))
    ]
    rates, means = (np.stack([part[i] for part in of_pairs]) for i in (0, 1))  # [S, B]
    kept = np.isfinite(means).any(axis=0)
    at = np.nanmean(rates[:, kept], axis=0)
    return per_pair_line(line_name(line.arms), at, list(means[:, kept].T))


def _theory_line(results: ClaimResults, line: ArmLine, measure: str, measured: Line) -> list[Line]:
    """Return the exact update's curve, times the part of the way that rounds went."""
    settings = results.arms[line.arms[0]][0].settings
    algorithm, rewards = settings["algorithm"], settings["rewards"]
    # A floor under the partition moves the fixed point.
    if algorithm["kind"] not in get_args(PmdMethod) or algorithm.get("partition_floor") is not None:
        return []

    def exact(rates: FloatArray) -> FloatArray:
        update = predict_update(
            rates,
            algorithm["tau"],
            method=algorithm["kind"],
            group_size=algorithm["group_size"] or settings["training"]["group_size"],
            leave_one_out=algorithm["baseline"].startswith("leave_one_out"),
            reward_low=rewards["incorrect_reward"],
            reward_high=rewards["correct_reward"],
        )
        return np.asarray(-update.failure_log_ratio if measure == "wrong_mean" else update.kl)

    at_bins = exact(measured.x)
    scale = float((measured.y * at_bins).sum() / np.square(at_bins).sum())
    rates = np.linspace(0.01, 0.99, _CURVE_POINTS)
    exact_one = "shift" if measure == "wrong_mean" else "KL"
    label = f"{line_name(line.arms)}: exact {exact_one} times {scale:.2g}"
    curve = scale * exact(rates)
    return [Line(label=label, like=line_name(line.arms), x=rates, y=curve, role="theory")]
