"""Tables and words on a console: rich lays them out, a terminal decides how wide."""

import io
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

import click
from rich.box import Box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

# A rule below the header and space between columns, in characters that every terminal knows.
_PLAIN = Box("    \n    \n -  \n    \n    \n    \n    \n    \n", ascii=True)
# Wider than any line: what is read by a program or kept in a file is never folded.
_ENDLESS = 100_000
_LEAST_NAME, _LEAST_TEXT = 8, 20
PAGE_WIDTH = 79
"""Characters in a line that every terminal and every mail shows whole."""
_GAP = 2


@dataclass(frozen=True, slots=True)
class ConsoleTable:
    """A table that is never made so narrow that rich would leave parts of it out."""

    table: Table
    least_width: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(options.max_width, self.least_width)
        yield from console.render(self.table, options.update_width(width))


def plain_table(
    rows: Sequence[Sequence[str | Text]],
    *,
    names: Sequence[str],
    numbers: Sequence[str],
    texts: Sequence[str] = (),
) -> ConsoleTable:
    """Return a table.

    Args:
        rows: A cell for each column.
        names: Headers of the first columns, which fold where the terminal is too narrow.
        numbers: Headers of the columns after them, aligned to the right; what stands below these
            is never folded.
        texts: Headers of the last columns, which fold too, between words where they can.
    """
    table = Table(
        box=_PLAIN,
        show_edge=False,
        pad_edge=False,
        padding=(0, _GAP - 1, 0, 0),
        header_style="bold",
    )
    headers = [*names, *numbers, *texts]
    least_width = 0
    for place, header in enumerate(headers):
        width = max((len(row[place]) for row in rows), default=0)
        if len(names) <= place < len(names) + len(numbers):
            # Only a header that is longer than its numbers has room to give.
            table.add_column(
                header,
                justify="right",
                overflow="fold",
                no_wrap=len(header) <= width,
                min_width=width,
            )
        else:
            least = _LEAST_NAME if place < len(names) else _LEAST_TEXT
            width = min(max(width, len(header)), least)
            table.add_column(header, overflow="fold", min_width=width)
        least_width += width + _GAP
    for row in rows:
        table.add_row(*row)
    return ConsoleTable(table, least_width - _GAP)


def as_text(*parts: RenderableType, width: int | None = None) -> str:
    """Return what is printed below one another, without colours.

    Args:
        parts: Tables, texts, groups of them.
        width: Most characters in a line; None: as wide as they are.
    """
    console = _console(io.StringIO(), width or _ENDLESS, has_colours=False)
    _print(console, parts)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def print_parts(*parts: RenderableType, most_width: int = _ENDLESS) -> None:
    """Print to the terminal, as wide as it is; elsewhere plain text, nothing folded or cut.

    Colours are for terminals, and not for those whose user has set ``NO_COLOR``.

    Args:
        parts: Tables, texts, groups of them.
        most_width: Most characters in a line, for what only people read.
    """
    if not sys.stdout.isatty():
        click.echo(as_text(*parts, width=most_width))
        return
    width = min(shutil.get_terminal_size().columns, most_width)
    _print(_console(sys.stdout, width, has_colours=True), parts)


def _console(file: TextIO, width: int, *, has_colours: bool) -> Console:
    return Console(
        file=file,
        width=width,
        color_system="auto" if has_colours else None,
        force_terminal=has_colours,
        # What is shown are names and numbers: nothing in them is meant as markup.
        markup=False,
        emoji=False,
        highlight=False,
    )


def _print(console: Console, parts: Sequence[RenderableType]) -> None:
    for part in parts:
        # What cannot be made narrower is folded by the terminal, rather than cut.
        console.print(part, crop=False)
