"""What a preflight finds: each finding is one line of the plan."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["note", "ok", "warning", "failure"]
MODEL_SECTION = "Model"
MEMORY_SECTION = "Memory of each device, estimated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the plan.

    Attributes:
        section: Heading.
        subject: What was checked.
        value: What was found.
        verdict: ``note``: information; ``ok``: checked; ``warning``: may fail; ``failure``: stops
            the run.
        remedy: What to change, for warnings and failures.
    """

    section: str
    subject: str
    value: str
    verdict: Verdict = "note"
    remedy: str = ""


def failures(findings: Iterable[Finding]) -> list[Finding]:
    """Return what stops the run."""
    return [finding for finding in findings if finding.verdict == "failure"]


def warnings_of(findings: Iterable[Finding]) -> list[Finding]:
    """Return what may fail."""
    return [finding for finding in findings if finding.verdict == "warning"]


def gib(num_bytes: int) -> str:
    """Return a number of bytes as shown in the plan."""
    return f"{num_bytes / 2**30:,.1f} GiB"
