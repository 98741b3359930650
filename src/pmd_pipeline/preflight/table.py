"""The plan as text."""

from collections.abc import Sequence

import click

from pmd_pipeline.preflight.findings import Finding, failures, warnings_of

_MARKS = {"note": "    ", "ok": "ok  ", "warning": "warn", "failure": "FAIL"}
_COLOURS = {"ok": "green", "warning": "yellow", "failure": "red"}


def format_plan(title: str, findings: Sequence[Finding]) -> str:
    """Return the plan as a table, then what to change; click drops colours outside a terminal."""
    width = max(len(finding.subject) for finding in findings)
    lines = [title]
    for section in dict.fromkeys(finding.section for finding in findings):
        lines += ["", section]
        lines += [_line(item, width) for item in findings if item.section == section]
    lines += _remedies("Warnings", warnings_of(findings))
    lines += _remedies("To fix before this can run", failures(findings))
    if not failures(findings):
        lines += ["", "Ready to run."]
    return "\n".join(lines)


def _line(finding: Finding, width: int) -> str:
    mark = _MARKS[finding.verdict]
    if finding.verdict in _COLOURS:
        mark = click.style(mark, fg=_COLOURS[finding.verdict])
    return f"  {mark}  {finding.subject:<{width}}  {finding.value}".rstrip()


def _remedies(title: str, findings: Sequence[Finding]) -> list[str]:
    if not findings:
        return []
    lines = ["", f"{title}:"]
    return lines + [
        f"  {number}. {finding.subject}: {finding.remedy}"
        for number, finding in enumerate(findings, start=1)
    ]
