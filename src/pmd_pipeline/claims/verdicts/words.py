"""How the numbers of claims are written, in sentences, tables and figures alike."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pmd_pipeline.claims.verdicts.records import Finding, Outcome, Unit
from pmd_pipeline.wording import MINUS, MISSING, NO_SPREAD, counted, listed

__all__ = [
    "MINUS",
    "MISSING",
    "counted",
    "counted_of",
    "listed",
    "number",
    "p_value",
    "settings",
    "verdict",
    "with_interval",
]

_UNIT_WORDS: dict[Unit, str] = {
    "accuracy": "",
    "share": "",
    "nats": " nats",
    "nats per pass rate": " nats per unit of pass rate",
    "ratio": " times",
    "number": "",
}


def verdict(statement: str, outcome: Outcome | None) -> str:
    """Return a sentence that says of a statement whether it is so."""
    match outcome:
        case Outcome.HOLDS:
            return f"{statement}."
        case Outcome.DOES_NOT_HOLD:
            return f"It is not so that {statement}."
        case _:
            return f"Whether {statement} cannot be told."


def number(value: float, unit: Unit) -> str:
    """Return a number as its unit is read: differences with a sign, shares and ratios without."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    match unit:
        case "accuracy":
            text = f"{value:+z.3f}"
        case "share" | "ratio":
            text = f"{value:z.2f}"
        case "nats" | "nats per pass rate":
            text = f"{value:+z.2f}"
        case "number":
            text = f"{value:+.3g}"
    return text.replace("-", MINUS)


def with_interval(finding: Finding) -> str:
    """Return ``+0.012 [−0.003, +0.027]``, with its unit; the value alone without an interval."""
    value = number(finding.value, finding.unit)
    if math.isnan(finding.low) or math.isnan(finding.high):
        return value + _UNIT_WORDS[finding.unit]
    if finding.low == finding.high:
        return f"{value} {NO_SPREAD}{_UNIT_WORDS[finding.unit]}"
    low, high = (number(end, finding.unit) for end in (finding.low, finding.high))
    return f"{value} [{low}, {high}]{_UNIT_WORDS[finding.unit]}"


def p_value(value: float) -> str:
    """Return a p-value with two digits, and no more zeros than one can read."""
    if math.isnan(value):
        return MISSING
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def counted_of(findings: Sequence[Finding], outcome: Outcome) -> str:
    """Return how many of the deciding findings have this outcome: ``3 of 4``."""
    deciding = [finding for finding in findings if finding.outcome is not None]
    return f"{sum(finding.outcome is outcome for finding in deciding)} of {len(deciding)}"


def settings(values: Mapping[str, Any]) -> str:
    """Return values without the sections that they are in: ``tau 0.5, learning_rate 0.0002``."""
    return ", ".join(
        f"{key.rpartition('.')[2]} {f'{value:g}' if isinstance(value, float) else value}"
        for key, value in values.items()
    )
