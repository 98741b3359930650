"""Progress bars with a remaining-time estimate; quiet when not on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from tqdm import tqdm

_hidden = False


class Progress(Protocol):
    """What long work reports to: how many more units are done."""

    def update(self, n: float = 1) -> object: ...


@contextmanager
def progress_bar(description: str, total: int, unit: str) -> Iterator[Progress]:
    """Show a bar of ``total`` units on a terminal's standard error, nothing elsewhere."""
    with tqdm(
        total=total, desc=description, unit=f" {unit}", disable=_hidden or None, smoothing=0.1
    ) as bar:
        yield bar


@contextmanager
def hidden_bars() -> Iterator[None]:
    """Show none of the bars made within: what surrounds them has its own."""
    global _hidden
    former, _hidden = _hidden, True
    try:
        yield
    finally:
        _hidden = former
