"""What judging a claim gives: the verdict, the numbers behind it and the data of its figure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pmd_pipeline.statistics.scores import FloatArray


class Outcome(StrEnum):
    """What can be said of a claim."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    CANNOT_BE_TOLD = "cannot be told"


Unit = Literal["accuracy", "share", "nats", "nats per pass rate", "ratio", "number"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One number that a verdict rests on, or that stands beside it.

    Attributes:
        name: What it is, such as ``final accuracy after 40 rounds``.
        value: Of the statistic; NaN where it could not be computed.
        low, high: Its 95 % interval; NaN where there is none.
        unit: Of these three.
        covers: What the interval answers for.
        test: Which test the p-value comes from; empty without one.
        p_value: Raw; NaN without a test.
        p_holm: Corrected by Holm for the tests of this claim.
        equivalence_p_holm: Of the difference being as large as the margin or larger, corrected;
            NaN where equivalence is not asked.
        deciding_p: The one of these that is small where what is claimed is so; NaN if it is only
            shown.
        says: What this number alone says, in a word or two; empty where it is only shown.
        outcome: What that means for the claim; None where it decides nothing.
    """

    name: str
    value: float
    low: float
    high: float
    unit: Unit
    covers: str
    test: str = ""
    p_value: float = math.nan
    p_holm: float = math.nan
    equivalence_p_holm: float = math.nan
    deciding_p: float = math.nan
    says: str = ""
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmNumbers:
    """What one arm has reached.

    Attributes:
        arm: Its name.
        num_diverged: Runs that ended in numbers that are not finite; they count as accuracy 0.
        initial: Accuracy of the initial policies; mean over pairs and problems.
        final: Accuracy after the last round.
        final_low, final_high: The 95 % interval of ``final``, over pairs and problems.
        best: The highest accuracy of the mean curve.
        reward_gap_over_tau: How far apart rewards are in nats, R / tau; NaN without a tau.
        kl_per_round: KL(after || before) of a round, nats per response; mean over rounds and pairs.
    """

    arm: str
    num_diverged: int
    initial: float
    final: float
    final_low: float
    final_high: float
    best: float
    reward_gap_over_tau: float
    kl_per_round: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line or a set of points of a claim's figure.

    Attributes:
        label: What it shows; equal labels have one look.
        like: The label whose colour it has; empty: its own.
        x, y: Points, [N]; NaN leaves a gap.
        low, high: Ends of an interval at each point, [N]; None without.
        role: ``mean``: a line with its band; ``pair``: one pair's, thin; ``cloud``: a point per
            pair; ``points``: each with its interval, no line; ``theory``: what theory predicts,
            dotted.
    """

    label: str
    like: str = ""
    x: FloatArray
    y: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None
    role: Literal["mean", "pair", "cloud", "points", "theory"] = "mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimPanel:
    """One pair of axes of a claim's figure.

    Attributes:
        title: Above it.
        x_label, y_label: What the axes show.
        lines: What is drawn.
        log_x_ticks: Ticks of a logarithmic x axis; empty for a linear one.
        level: Where to draw a horizontal line, and its name; None without.
        names: What stands at the places 0, 1, ... of a panel that is read from top to bottom:
            its y is drawn to the right, its x downwards. Empty for any other.
        margin: From which difference on one matters, drawn on both sides of the level; None
            without.
        y_range: Lowest and highest value shown; None: what the data need.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    log_x_ticks: tuple[float, ...] = ()
    level: tuple[float, str] | None = None
    names: tuple[str, ...] = ()
    margin: float | None = None
    y_range: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a test makes of the results of its arms.

    Attributes:
        outcome: The verdict.
        sentence: The same in plain words, with the number it rests on.
        headline: The finding that the table of all claims shows.
        findings: All numbers, the headline among them.
        panels: The data of the figure; empty where there is nothing to draw.
        limits: What limits the verdict, a sentence each.
    """

    outcome: Outcome
    sentence: str
    headline: Finding
    findings: tuple[Finding, ...]
    panels: tuple[ClaimPanel, ...]
    limits: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimVerdict:
    """A claim, judged.

    Attributes:
        judgement: The verdict and what it rests on; None where no pair is complete.
        outcome: The verdict; it cannot be told from fewer pairs than the claim asks for.
        sentence: In plain words.
        arms: What each arm has reached.
        num_pairs: Complete pairs that it was judged on.
        num_declared_pairs: Pairs that the claim declares.
    """

    judgement: Judgement | None
    outcome: Outcome
    sentence: str
    arms: tuple[ArmNumbers, ...]
    num_pairs: int
    num_declared_pairs: int


def all_of(findings: Sequence[Finding]) -> Outcome:
    """Return what a claim comes to that says each of several things.

    It holds where each does, and does not where one does not.
    """
    outcomes = _outcomes(findings)
    if Outcome.DOES_NOT_HOLD in outcomes:
        return Outcome.DOES_NOT_HOLD
    return Outcome.HOLDS if outcomes == {Outcome.HOLDS} else Outcome.CANNOT_BE_TOLD


def any_of(findings: Sequence[Finding]) -> Outcome:
    """Return what a claim comes to that may show in any of several measures.

    It holds where one does and none says the contrary, and the other way round; where measures
    contradict each other, it cannot be told.
    """
    decided = _outcomes(findings) - {Outcome.CANNOT_BE_TOLD}
    return decided.pop() if len(decided) == 1 else Outcome.CANNOT_BE_TOLD


def decisive(findings: Sequence[Finding], outcome: Outcome, *, preferred: int = 0) -> Finding:
    """Return the finding that a verdict is shown with: the first that says the same.

    Args:
        findings: Those that decide.
        outcome: What they came to.
        preferred: The place of the one to take if it says the same, or if none does.
    """
    in_order = (findings[preferred], *findings)
    return next((one for one in in_order if one.outcome is outcome), findings[preferred])


def _outcomes(findings: Sequence[Finding]) -> set[Outcome]:
    return {finding.outcome for finding in findings if finding.outcome is not None}
