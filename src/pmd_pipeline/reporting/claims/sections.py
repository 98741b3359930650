"""What the page of claims says, for HTML and Markdown alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from pmd_pipeline.claims.verdicts import words
from pmd_pipeline.claims.verdicts.records import ClaimPanel, ClaimVerdict, Outcome
from pmd_pipeline.config.claims import HeadingConfig
from pmd_pipeline.reporting.claims.judged import JudgedClaim
from pmd_pipeline.reporting.claims.tables import arms_table, chosen_ends, findings_table
from pmd_pipeline.reporting.html_tables import HtmlTable


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


_IN_THE_PLURAL = {
    Outcome.HOLDS: "hold",
    Outcome.DOES_NOT_HOLD: "do not hold",
    Outcome.CANNOT_BE_TOLD: "cannot be told",
}


def opening(judged: Sequence[JudgedClaim], heading: HeadingConfig) -> tuple[str, ...]:
    """Return what stands above the table: whose claims, how they came out, how to read it."""
    counts = [
        (outcome, sum(one.verdict.outcome is outcome for one in judged)) for outcome in Outcome
    ]
    came_out = ", ".join(
        f"{count} {outcome if count == 1 else _IN_THE_PLURAL[outcome]}" for outcome, count in counts
    )
    short = [
        f"{one.claim.title} ({one.verdict.num_pairs} of {one.verdict.num_declared_pairs})"
        for one in judged
        if one.verdict.num_pairs < one.verdict.num_declared_pairs
    ]
    whose = "" if heading.source is None else f" of {heading.source}"
    return (
        f"{words.counted(len(judged), 'claim')}{whose}: {came_out}.",
        *heading.introduction,
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
        findings=findings_table(judgement.findings) if judgement else None,
        arms=arms_table(one),
        panels=judgement.panels if judgement else (),
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
        for end in chosen_ends(arm, one.tunings[arm.tuning])
    ]
    if not found:
        return ()
    return (
        f"Tuned to an end of what was tried, so that a better value may lie beyond: "
        f"{words.listed(list(dict.fromkeys(found)))}.",
    )
