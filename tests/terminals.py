"""A made-up terminal, for what draws on one."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import pytest

from pmd_pipeline.progress import close_screen

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    """What is written to a terminal of 79 columns."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        return [_CONTROL.sub("", part) for part in re.split(r"[\r\n]+", self.getvalue())]


@contextmanager
def on_terminal(columns: int = 79, kind: str = "xterm") -> Iterator[Terminal]:
    """Have standard error be a terminal; pytest sets it anew after each fixture."""
    written = Terminal()
    variables = {"TERM": kind, "COLUMNS": str(columns), "LINES": "20"}
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(written):
        for name, value in variables.items():
            patch.setenv(name, value)
        yield written
        close_screen()
