"""The bottom lines of a terminal: a bar for the whole, and one for what is going on."""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from pmd_pipeline.wording import brief_time

if TYPE_CHECKING:
    from rich.table import Table

_PER_SECOND = 4
_WIDEST_DESCRIPTION = 34
_LEAST_BAR = 8
_WIDTH_FOR_NOTES = 100


def can_draw(stream: TextIO) -> bool:
    """Return True for a terminal on which lines can be drawn again."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


@dataclass(slots=True, kw_only=True)
class Bar:
    """What stands in a line.

    Attributes:
        description: What it is about.
        done: How many units are done.
        total: Of so many; None where nobody counts.
        unit: What is counted, in the plural.
        fraction: How much is done; None if the units say so.
        end: When it will be done, by the screen's clock; None if that is not known.
        note: What is seen of it where the terminal is wide.
    """

    description: str
    done: float = 0.0
    total: int | None = None
    unit: str = ""
    fraction: float | None = None
    end: float | None = None
    note: str = ""

    @property
    def count(self) -> str:
        """``2 of 4 rounds``."""
        if self.total is None:
            return ""
        return f"{self.done:,.0f} of {self.total:,} {self.unit}"


class Screen:
    """Two bars on standard error, below all that is printed and logged meanwhile.

    Attributes:
        whole: The upper bar, of all that a command does; None if nobody tells.
        part: The lower bar, of what is going on.

    Args:
        clock: Seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        # What draws nothing need not import it.
        from rich.console import Console
        from rich.live import Live

        self.whole: Bar | None = None
        self.part: Bar | None = None
        self._clock = clock
        self._moved: list[tuple[logging.StreamHandler[Any], TextIO]] = []
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(
            get_renderable=self._drawn,
            console=self._console,
            refresh_per_second=_PER_SECOND,
            transient=True,
            # What goes elsewhere than to the terminal is not to be turned to it.
            redirect_stdout=sys.stdout.isatty(),
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to draw."""
        former = [sys.stderr, *([sys.stdout] if sys.stdout.isatty() else [])]
        self._live.start()
        # Handlers hold on to the stream that they were made with.
        for handler in _stream_handlers():
            if handler.stream in former:
                self._moved.append((handler, handler.stream))
                handler.setStream(sys.stderr)

    def stop(self) -> None:
        """Take the bars away."""
        self._live.stop()
        for handler, stream in self._moved:
            handler.setStream(stream)
        self._moved = []

    def show_whole(self, bar: Bar, *, seconds_left: float | None) -> None:
        """Show how far the whole is.

        Args:
            bar: What is to stand in the upper line.
            seconds_left: Estimated; None if that is not known yet.
        """
        bar.end = None if seconds_left is None else self._clock() + seconds_left
        self.whole = bar
        self._live.refresh()

    def show_part(self, description: str) -> None:
        """Show what is going on, which nobody counts yet."""
        self.part = Bar(description=description)
        self._live.refresh()

    @contextmanager
    def counting(self, description: str, total: int, unit: str) -> Iterator["Counter"]:
        """Count units of what is going on."""
        former = self.part
        bar = self.part = Bar(description=description, total=total, unit=unit)
        try:
            yield Counter(bar, total, self._clock)
        finally:
            self.part = former

    def note(self, text: str) -> None:
        """Show what is seen of what is going on, where the terminal is wide."""
        if self.part is not None:
            self.part.note = text

    def _drawn(self) -> "Table":
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bars = [bar for bar in (self.whole, self.part) if bar is not None]
        has_notes = self._console.width >= _WIDTH_FOR_NOTES and any(bar.note for bar in bars)
        table = Table.grid(padding=(0, 1, 0, 0), expand=True)
        # As wide for every description, so that the bars stay where they are.
        width = min(_WIDEST_DESCRIPTION, self._console.width // 2)
        table.add_column(no_wrap=True, overflow="ellipsis", width=width)
        table.add_column(ratio=1, min_width=_LEAST_BAR)
        for _ in range(3 if has_notes else 2):
            table.add_column(no_wrap=True, overflow="ellipsis")
        for bar in bars:
            drawn = ProgressBar(total=bar.total, completed=bar.done, pulse=bar.total is None)
            if bar.fraction is not None:
                drawn = ProgressBar(total=1.0, completed=bar.fraction)
            notes = [bar.note] if has_notes else []
            words = [Text(text) for text in (bar.count, self._left(bar), *notes)]
            table.add_row(Text(bar.description), drawn, *words)
        return table

    def _left(self, bar: Bar) -> str:
        if bar.end is None:
            return ""
        return f"{brief_time(max(0.0, bar.end - self._clock()))} left"


class Counter:
    """Counts what is done of a bar.

    Args:
        bar: Where it stands.
        total: How many units there are.
        clock: Seconds.
    """

    def __init__(self, bar: Bar, total: int, clock: Callable[[], float]) -> None:
        self._bar = bar
        self._total = total
        self._clock = clock
        self._began = clock()

    def update(self, n: float = 1) -> None:
        """Note that ``n`` more units are done."""
        now, bar = self._clock(), self._bar
        bar.done += n
        if bar.done > 0:
            bar.end = now + (now - self._began) / bar.done * max(0.0, self._total - bar.done)


def _stream_handlers() -> Iterator[logging.StreamHandler[Any]]:
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler):
                yield handler
