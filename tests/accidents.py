"""Accidents to arrange in a forked child before its run."""

import os
import signal
from collections.abc import Callable
from pathlib import Path


def die() -> None:
    """Kill this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def at_save_of(name: str) -> Callable[[], None]:
    """Return an accident: killed when a table whose path has ``name`` in it is half-written."""

    def arrange() -> None:
        replace = Path.replace

        def dies(self: Path, target: Path) -> Path:
            if name in str(target):
                die()
            return replace(self, target)

        Path.replace = dies  # type: ignore[method-assign, assignment]

    return arrange


def at_state(number: int) -> Callable[[], None]:
    """Return an accident: killed before the ``number``-th state or policy gets its name.

    The first is the tokenizer, the second the initial policy, then one for each round.
    """

    def arrange() -> None:
        rename, count = Path.rename, 0

        def dies(self: Path, target: Path) -> Path:
            nonlocal count
            count += 1
            if count == number:
                die()
            return rename(self, target)

        Path.rename = dies  # type: ignore[method-assign, assignment]

    return arrange
