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


def shown_size(num_bytes: int) -> str:
    """Return a number of bytes in the unit that fits: ``0.7 MiB``, ``560 MiB``, ``28.4 GiB``."""
    mib = num_bytes / 2**20
    if mib >= 1023.5:
        return f"{num_bytes / 2**30:,.1f} GiB"
    return f"{mib:.0f} MiB" if mib >= 9.95 or mib == 0 else f"{mib:.1f} MiB"
