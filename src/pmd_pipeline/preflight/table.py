"""The plan for a console."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pmd_pipeline.preflight.findings import Finding, failures, warnings_of

_MARKS = {"note": "", "ok": "ok", "warning": "warn", "failure": "FAIL"}
_COLOURS = {"note": "", "ok": "green", "warning": "yellow", "failure": "red"}
_INDENT = 2


def plan_table(title: str, findings: Sequence[Finding]) -> Group:
    """Return the plan as a table, then what to change."""
    return Group(*_parts(title, findings))


def _parts(title: str, findings: Sequence[Finding]) -> Iterator[RenderableType]:
    yield title
    width = max(len(finding.subject) for finding in findings)
    for section in dict.fromkeys(finding.section for finding in findings):
        yield f"\n{section}"
        yield _section([item for item in findings if item.section == section], width)
    yield from _remedies("Warnings", warnings_of(findings))
    yield from _remedies("To fix before this can run", failures(findings))
    if not failures(findings):
        yield "\nReady to run."


def _section(findings: Sequence[Finding], width: int) -> Padding:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=max(map(len, _MARKS.values())))
    table.add_column(min_width=width, overflow="fold")
    table.add_column(overflow="fold")
    for finding in findings:
        mark = Text(_MARKS[finding.verdict], style=_COLOURS[finding.verdict])
        table.add_row(mark, finding.subject, finding.value)
    return Padding(table, (0, 0, 0, _INDENT), expand=False)


def _remedies(title: str, findings: Sequence[Finding]) -> Iterator[RenderableType]:
    if not findings:
        return
    yield f"\n{title}:"
    table = Table.grid(padding=(0, 1, 0, 0))
    for _ in range(2):
        table.add_column(overflow="fold")
    for number, finding in enumerate(findings, start=1):
        table.add_row(f"{number}.", f"{finding.subject}: {finding.remedy}")
    yield Padding(table, (0, 0, 0, _INDENT), expand=False)
