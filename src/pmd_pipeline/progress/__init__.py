"""How far long work is: bars on a terminal, elsewhere a line now and then.

Bars stand on standard error, at the bottom of the terminal, while what is printed and logged goes
above them (`screen.Screen`). A command that is long as a whole opens the screen; the work in it
reports to `progress_bar` and need not know whether there is one.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from pmd_pipeline.progress.lines import Lines
from pmd_pipeline.progress.screen import Screen, can_draw

__all__ = ["Progress", "Screen", "close_screen", "hidden_bars", "open_screen", "progress_bar"]

_hidden = False
_screen: Screen | None = None


class Progress(Protocol):
    """What long work reports to: how many more units are done."""

    def update(self, n: float = 1) -> object: ...


class _Nobody:
    def update(self, n: float = 1) -> None:
        pass


@contextmanager
def progress_bar(
    description: str, total: int, unit: str, *, has_lines: bool = True
) -> Iterator[Progress]:
    """Show on a terminal how many of ``total`` units are done; elsewhere log it once a minute.

    Args:
        description: What goes on, in two or three words.
        total: How many units there are.
        unit: What is counted, in the plural.
        has_lines: False if somebody else says in a log what has been done.
    """
    if _hidden:
        yield _Nobody()
    elif _screen is not None:
        with _screen.counting(description, total, unit) as bar:
            yield bar
    elif can_draw(sys.stderr):
        with Screen() as screen, screen.counting(description, total, unit) as bar:
            yield bar
    else:
        yield Lines(description, total, unit) if has_lines else _Nobody()


@contextmanager
def hidden_bars() -> Iterator[None]:
    """Show none of the bars made within: what surrounds them has its own."""
    global _hidden
    former, _hidden = _hidden, True
    try:
        yield
    finally:
        _hidden = former


def open_screen() -> Screen | None:
    """Give the bottom of the terminal to bars until `close_screen`; None if none can be drawn."""
    global _screen
    close_screen()
    if not _hidden and can_draw(sys.stderr):
        _screen = Screen()
        _screen.start()
    return _screen


def close_screen() -> None:
    """Take the bars away; there need not be any."""
    global _screen
    screen, _screen = _screen, None
    if screen is not None:
        screen.stop()
