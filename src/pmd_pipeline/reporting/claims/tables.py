"""The tables of the page of claims."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pmd_pipeline.claims.results import TuningOutcome
from pmd_pipeline.claims.verdicts import words
from pmd_pipeline.claims.verdicts.records import ArmNumbers, Finding
from pmd_pipeline.config.claims import ArmConfig
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.claims.judged import JudgedClaim
from pmd_pipeline.reporting.html_tables import HtmlTable

_LEAST_CHOICES = 3  # of which the least and the greatest are ends of a range


def overview(judged: Sequence[JudgedClaim]) -> HtmlTable:
    """Return the table of all claims."""
    return HtmlTable(
        caption="All claims",
        header=(
            "claim",
            "verdict",
            "number it rests on",
            "with its 95 % interval",
            "p of its test",
            "pairs",
        ),
        rows=tuple(_overview_row(one) for one in judged),
        num_text_columns=3,
    )


def findings_table(findings: Sequence[Finding]) -> HtmlTable:
    """Return the numbers of a claim."""
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


def arms_table(one: JudgedClaim) -> HtmlTable:
    """Return what each arm of a claim is and has reached."""
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


def chosen_ends(arm: ArmConfig, outcome: TuningOutcome) -> list[str]:
    """Return what was tuned to an end of its range: ``greatest tau``."""
    return [
        f"{end} {key.rpartition('.')[2]}"
        for key, value in _used(arm, outcome).items()
        if (end := _end(value, {trial.values.get(key) for trial in outcome.trials}))
    ]


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
    ends = chosen_ends(arm, outcome)
    return f"{text}; tuned to the {words.listed(ends)})" if ends else f"{text})"


def _used(arm: ArmConfig, outcome: TuningOutcome) -> dict[str, Any]:
    """Return what was tuned and is used: what the arm is told itself takes its place."""
    values = outcome.chosen.values
    return {key: value for key, value in values.items() if key not in arm.parameters}


def _end(value: Any, tried: set[Any]) -> str:
    known = [one for one in tried if isinstance(one, (int, float)) and math.isfinite(one)]
    if len(known) < _LEAST_CHOICES or value not in known:
        return ""
    if value == min(known):
        return "least"
    return "greatest" if value == max(known) else ""
