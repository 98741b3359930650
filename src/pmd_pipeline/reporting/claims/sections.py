"""What the page of claims says, for HTML and Markdown alike."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pmd_pipeline.claims.results import ClaimResults, TuningOutcome
from pmd_pipeline.claims.verdicts import words
from pmd_pipeline.claims.verdicts.judge import judge
from pmd_pipeline.claims.verdicts.records import (
    ArmNumbers,
    ClaimPanel,
    ClaimVerdict,
    Finding,
    Outcome,
)
from pmd_pipeline.config.claims import ArmConfig, ClaimConfig
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.html_tables import HtmlTable

TITLE = "The paper's claims, tried in the small"
_LEAST_CHOICES = 3  # of which the least and the greatest are ends of a range


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedClaim:
    """A claim with its verdict.

    Attributes:
        name: By which it is declared.
        claim: As it is declared.
        verdict: What can be said of it.
        tunings: By name, the finished tunings of its arms.
        num_trainings: That it was judged on.
        cpu_seconds: That these took.
    """

    name: str
    claim: ClaimConfig
    verdict: ClaimVerdict
    tunings: Mapping[str, TuningOutcome]
    num_trainings: int
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSection:
    """What the page says of a claim.

    Attributes:
        name: By which it is declared; its place on the page.
        title: A few words.
        outcome: The verdict.
        sentence: The verdict in plain words.
        hypothesis, source: What is said to be so, and where the paper says it.
        holds, fails: What counts as holding and as not holding, declared before.
        protocol: How it was tried, a sentence each.
        limits: What limits the verdict, a sentence each.
        findings: The numbers; None where there are none yet.
        arms: What each arm is and has reached.
        panels: Of the figures.
    """

    name: str
    title: str
    outcome: Outcome
    sentence: str
    hypothesis: str
    source: str
    holds: str
    fails: str
    protocol: tuple[str, ...]
    limits: tuple[str, ...]
    findings: HtmlTable | None
    arms: HtmlTable
    panels: tuple[ClaimPanel, ...]


def judged_claim(
    name: str,
    claim: ClaimConfig,
    results: ClaimResults,
    tunings: Mapping[str, TuningOutcome],
) -> JudgedClaim:
    """Judge a claim, and keep what its page needs beside the verdict.

    Args:
        name: By which it is declared.
        claim: As it is declared.
        results: Of its arms.
        tunings: By name, the tunings that are finished; those of other claims do no harm.

    Raises:
        ValueError: As ``claims.verdicts.judge``.
    """
    units = [unit for of_arm in results.arms.values() for unit in of_arm]
    return JudgedClaim(
        name=name,
        claim=claim,
        verdict=judge(claim, results),
        tunings={
            arm.tuning: tunings[arm.tuning]
            for arm in claim.arms.values()
            if arm.tuning is not None and arm.tuning in tunings
        },
        num_trainings=len(units),
        cpu_seconds=sum(sum(unit.cpu_seconds.values()) for unit in units),
    )


def opening(judged: Sequence[JudgedClaim]) -> tuple[str, ...]:
    """Return what stands above the table: what this is, what it is not, and how it came out."""
    counts = [
        (outcome, sum(one.verdict.outcome is outcome for one in judged)) for outcome in Outcome
    ]
    came_out = ", ".join(f"{outcome}: {count}" for outcome, count in counts)
    short = [
        f"{one.claim.title} ({one.verdict.num_pairs} of {one.verdict.num_declared_pairs})"
        for one in judged
        if one.verdict.num_pairs < one.verdict.num_declared_pairs
    ]
    return (
        f"{words.counted(len(judged), 'claim')} of the paper (arXiv:2602.05933). {came_out}.",
        "Small models and small tasks stand in for large ones. What holds here need not hold at 7B "
        "parameters, and what does not hold here may hold there.",
        "Each claim was fixed before it was run: hypothesis, arms, test, and what counts as "
        "holding and as not holding. The verdict is what the test says, whatever comes out. It "
        "cannot be told where the runs show neither; that is no sign that there is nothing.",
        "A pair is a warm-start seed and a training seed; every arm is trained on each pair, and "
        "arms are compared pair by pair. Intervals are 95 %, and what each covers stands beside "
        "it. P-values are corrected by Holm where any of a claim's tests would do; where all must "
        "find what is claimed, each stands for itself. They are not corrected for the number of "
        "claims.",
        *(f"Judged on fewer pairs than declared: {words.listed(short)}." for _ in short[:1]),
    )


def overview(judged: Sequence[JudgedClaim]) -> HtmlTable:
    """Return the table of all claims."""
    return HtmlTable(
        caption="All claims",
        header=("claim", "verdict", "number it rests on", "with its 95 % interval", "p", "pairs"),
        rows=tuple(_overview_row(one) for one in judged),
        num_text_columns=3,
    )


def claim_section(one: JudgedClaim) -> ClaimSection:
    """Return what the page says of a claim."""
    claim, verdict = one.claim, one.verdict
    judgement = verdict.judgement
    return ClaimSection(
        name=one.name,
        title=claim.title,
        outcome=verdict.outcome,
        sentence=verdict.sentence,
        hypothesis=claim.hypothesis,
        source=claim.source,
        holds=claim.holds,
        fails=claim.fails,
        protocol=(*claim.notes, *_protocol(one)),
        limits=(
            *_pairs_missing(verdict),
            *(judgement.limits if judgement else ()),
            *_ends_of_ranges(one),
        ),
        findings=_findings_table(judgement.findings) if judgement else None,
        arms=_arms_table(one),
        panels=judgement.panels if judgement else (),
    )


def _overview_row(one: JudgedClaim) -> tuple[str, ...]:
    verdict = one.verdict
    pairs = f"{verdict.num_pairs} of {verdict.num_declared_pairs}"
    if verdict.judgement is None:
        return one.claim.title, verdict.outcome, words.MISSING, words.MISSING, words.MISSING, pairs
    headline = verdict.judgement.headline
    return (
        one.claim.title,
        verdict.outcome,
        headline.name,
        words.with_interval(headline),
        words.p_value(headline.deciding_p),
        pairs,
    )


def _protocol(one: JudgedClaim) -> tuple[str, ...]:
    if one.num_trainings == 0:
        return ()
    hours = one.cpu_seconds / 3600
    cost = f"{hours:.1f} CPU hours" if hours >= 0.1 else f"{one.cpu_seconds:.0f} CPU seconds"
    return (
        f"{words.counted(one.num_trainings, 'training')}, {len(one.claim.arms)} arms on "
        f"{words.counted(one.verdict.num_pairs, 'pair')} of seeds, in {cost}; claims that have "
        "trainings in common share them.",
    )


def _pairs_missing(verdict: ClaimVerdict) -> tuple[str, ...]:
    if verdict.num_pairs >= verdict.num_declared_pairs:
        return ()
    return (
        f"It was judged on {verdict.num_pairs} of the {verdict.num_declared_pairs} pairs that are "
        "declared.",
    )


def _ends_of_ranges(one: JudgedClaim) -> tuple[str, ...]:
    """Return a sentence on what was tuned to an end of its range: a better one may lie beyond."""
    found = [
        f"{end} of {arm.tuning}"
        for arm in one.claim.arms.values()
        if arm.tuning is not None and arm.tuning in one.tunings
        for end in _chosen_ends(arm, one.tunings[arm.tuning])
    ]
    if not found:
        return ()
    return (
        f"Tuned to an end of what was tried, so that a better value may lie beyond: "
        f"{words.listed(list(dict.fromkeys(found)))}.",
    )


def _findings_table(findings: Sequence[Finding]) -> HtmlTable:
    return HtmlTable(
        caption="The numbers",
        header=(
            "what",
            "it says",
            "value with its 95 % interval",
            "which covers",
            "test",
            "p",
            "p (Holm)",
            "p of a difference above the margin (Holm)",
        ),
        rows=tuple(
            (
                finding.name,
                finding.says or "shown",
                words.with_interval(finding),
                finding.covers,
                finding.test or words.MISSING,
                words.p_value(finding.p_value),
                words.p_value(finding.p_holm),
                words.p_value(finding.equivalence_p_holm),
            )
            for finding in findings
        ),
        num_text_columns=5,
    )


def _arms_table(one: JudgedClaim) -> HtmlTable:
    numbers = {row.arm: row for row in one.verdict.arms}
    return HtmlTable(
        caption="The arms",
        header=(
            "arm",
            "trains",
            "told",
            "tuned",
            "R / tau",
            "KL per round",
            "begins at",
            "ends at",
            "best",
        ),
        rows=tuple(
            (
                name,
                arm.algorithm,
                _told(arm.parameters),
                _tuned(arm, one.tunings),
                *_reached(numbers.get(name)),
            )
            for name, arm in one.claim.arms.items()
        ),
        num_text_columns=4,
    )


def _reached(numbers: ArmNumbers | None) -> tuple[str, ...]:
    if numbers is None:
        return (words.MISSING,) * 5
    return (
        formatting.short_number(numbers.reward_gap_over_tau),
        formatting.short_number(numbers.kl_per_round),
        formatting.share(numbers.initial),
        formatting.with_interval(numbers.final, numbers.final_low, numbers.final_high),
        formatting.share(numbers.best),
    )


def _told(parameters: Mapping[str, Any]) -> str:
    return words.settings(parameters) or words.MISSING


def _tuned(arm: ArmConfig, tunings: Mapping[str, TuningOutcome]) -> str:
    """Return what a tuning chose, of how many trials, and whether that is an end of its range."""
    if arm.tuning is None:
        return words.MISSING
    outcome = tunings.get(arm.tuning)
    if outcome is None:
        return "not yet"
    repeats = words.counted(len(outcome.chosen.accuracies), "pair")
    text = f"{_told(_used(arm, outcome))} (best of {len(outcome.trials)} trials on {repeats}"
    ends = _chosen_ends(arm, outcome)
    return f"{text}; tuned to the {words.listed(ends)})" if ends else f"{text})"


def _used(arm: ArmConfig, outcome: TuningOutcome) -> dict[str, Any]:
    """Return what was tuned and is used: what the arm is told itself takes its place."""
    values = outcome.chosen.values
    return {key: value for key, value in values.items() if key not in arm.parameters}


def _chosen_ends(arm: ArmConfig, outcome: TuningOutcome) -> list[str]:
    """Return what was tuned to an end of its range: ``greatest tau``."""
    return [
        f"{end} {key.rpartition('.')[2]}"
        for key, value in _used(arm, outcome).items()
        if (end := _end(value, {trial.values.get(key) for trial in outcome.trials}))
    ]


def _end(value: Any, tried: set[Any]) -> str:
    known = [one for one in tried if isinstance(one, (int, float)) and math.isfinite(one)]
    if len(known) < _LEAST_CHOICES or value not in known:
        return ""
    if value == min(known):
        return "least"
    return "greatest" if value == max(known) else ""
