"""How long a run takes yet, by what its nodes have taken so far; no clock, no files."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

# Most of a run's time goes into these: before one of a kind has been measured, nothing is said.
_LONG = ("train", "evaluate", "ask")
# Figures and pages come last, and import what draws them.
_DRAWING = ("draw_", "write_")
_DRAWING_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Work:
    """What a node has to do.

    Attributes:
        kind: Nodes of a kind take about as long as each other, per unit. Before its first dot
            stands what a node does, after it for whom: ``train.grpo.seed_1``.
        units: How many there are: the rounds of a phase, 1 of anything else.
    """

    kind: str
    units: int = 1


class TimeLeft:
    """Estimates the rest of a run, of which one node is at work at a time.

    Args:
        work: Of each node that is still to do, by name.
    """

    def __init__(self, work: Mapping[str, Work]) -> None:
        self._todo = dict(work)
        self._current: Work | None = None
        self._units_left = 0
        self._since = 0.0
        self._seconds: dict[str, float] = defaultdict(float)
        self._units: Counter[str] = Counter()

    def begin(self, name: str, now: float) -> None:
        """Note that a node begins, and with it that the one before has ended."""
        self.end(now)
        self._current = self._todo.pop(name, None)
        self._units_left = 0 if self._current is None else self._current.units
        self._since = now

    def count(self, now: float, *, left: int) -> None:
        """Note that another unit of the node at work is done.

        Args:
            now: The time.
            left: Its units that are still to do.
        """
        if self._current is not None:
            self._note(self._current.kind, 1, now)
        self._units_left = left

    def end(self, now: float) -> None:
        """Note that the node at work has ended."""
        if self._current is not None:
            # What came after the last unit belongs to it.
            self._note(self._current.kind, 1 if self._units_left else 0, now)
        self._current = None

    def of_node(self) -> float | None:
        """Seconds that the node at work takes yet, from its last unit on; None if not known."""
        return None if self._current is None else self._seconds_of(self._current, self._units_left)

    def of_run(self) -> float | None:
        """Seconds that the run takes yet, from the last unit on; None if not known."""
        rest = [self._seconds_of(work, work.units) for work in self._todo.values()]
        if self._current is not None:
            rest.append(self._seconds_of(self._current, self._units_left))
        known = [seconds for seconds in rest if seconds is not None]
        return sum(known) if len(known) == len(rest) else None

    def _note(self, kind: str, units: int, now: float) -> None:
        self._seconds[kind] += now - self._since
        self._units[kind] += units
        self._since = now

    def _seconds_of(self, work: Work, units: int) -> float | None:
        if units == 0:
            return 0.0
        mean = self._mean(work.kind)
        return None if mean is None else units * mean

    def _mean(self, kind: str) -> float | None:
        if self._units[kind]:
            return self._seconds[kind] / self._units[kind]
        what = kind.partition(".")[0]
        alike = [k for k, n in self._units.items() if n and k.partition(".")[0] == what]
        if what not in _LONG and not alike:
            if what.startswith(_DRAWING):
                return _DRAWING_SECONDS
            short = [
                self._seconds[k] / n
                for k, n in self._units.items()
                if n and k.partition(".")[0] not in _LONG
            ]
            # Few of these take long, such as the initial policy's warm start.
            return median(short) if short else 0.0
        if not alike:
            return None
        return sum(self._seconds[k] for k in alike) / sum(self._units[k] for k in alike)
