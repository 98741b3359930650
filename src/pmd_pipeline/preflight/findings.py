"""What a preflight finds: one line of the plan each."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["note", "ok", "warning", "failure"]
MEMORY_SECTION = "Memory of each device, estimated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the plan.

    Attributes:
        section: Heading that it stands under.
        subject: What was looked at.
        value: What was found.
        verdict: ``note`` informs, ``ok`` was checked, ``warning`` may hurt, ``failure`` stops.
        remedy: What to change; of warnings and failures.
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
    """Return what may hurt."""
    return [finding for finding in findings if finding.verdict == "warning"]


def gib(num_bytes: int) -> str:
    """Return a number of bytes as it is shown in the plan."""
    return f"{num_bytes / 2**30:,.1f} GiB"
