"""The benchmarks' tables: for a console, or as Markdown for docs/performance.md."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

WIDTH = 120


class Column(NamedTuple):
    """A column's head, and whether it is set to the right."""

    name: str
    is_number: bool = False


def print_table(
    title: str, columns: Sequence[Column], rows: Iterable[Sequence[str]], *, markdown: bool
) -> None:
    """Print rows of text under their columns' heads."""
    if markdown:
        print(f"\n{title}\n")
        print(_line([column.name for column in columns]))
        print(_line(["---:" if column.is_number else "---" for column in columns]))
        for row in rows:
            print(_line(row))
        return
    table = Table(title=title)
    for column in columns:
        table.add_column(column.name, justify="right" if column.is_number else "left")
    for row in rows:
        table.add_row(*row)
    Console(width=WIDTH).print(table)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
