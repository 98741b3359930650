"""What each sampler has done: tokens a second, idle time, what was lost with it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pmd_pipeline.wording import counted


@dataclass(slots=True, kw_only=True)
class SamplerFigures:
    """One sampler's work.

    Attributes:
        sampler: Its name.
        num_units: Units that it has sampled.
        num_tokens: Of their responses.
        busy_seconds: Time from the beginning of a unit to its end, all together.
        present_seconds: Time that it was there while units were sampled.
        num_lost_units: Units that were lost with it, and sampled again elsewhere.
        lost: Why it is gone; empty if it is not.
    """

    sampler: str
    num_units: int = 0
    num_tokens: int = 0
    busy_seconds: float = 0.0
    present_seconds: float = 0.0
    num_lost_units: int = 0
    lost: str = ""

    @property
    def tokens_per_second(self) -> float:
        """While it was there; 0 if it never was."""
        return self.num_tokens / self.present_seconds if self.present_seconds else 0.0

    @property
    def idle_fraction(self) -> float:
        """Share of the time in which it had no unit; 0 if it was not there."""
        return 1 - self.busy_seconds / self.present_seconds if self.present_seconds else 0.0


class SamplingFigures:
    """Figures of all samplers between two changes of weights.

    Time counts while there are units that are not finished.

    Args:
        clock: Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._figures: dict[str, SamplerFigures] = {}
        self._present_since: dict[str, float] = {}
        self._busy_since: dict[str, float] = {}
        self._has_work = False

    def joined(self, sampler: str) -> None:
        """A sampler can take units."""
        self._figures[sampler] = SamplerFigures(sampler=sampler)
        if self._has_work:
            self._present_since[sampler] = self._clock()

    def work_begins(self) -> None:
        """There are units that are not finished; a no-op if there were."""
        if not self._has_work:
            self._has_work = True
            now = self._clock()
            self._present_since = {row.sampler: now for row in self.rows if not row.lost}

    def work_ends(self) -> None:
        """There are no more of them."""
        self._has_work = False
        for sampler in list(self._present_since):
            self._leave(sampler)

    def begun(self, sampler: str) -> None:
        """A sampler has been given a unit."""
        self._busy_since[sampler] = self._clock()

    def sampled(self, sampler: str, num_tokens: int) -> None:
        """A sampler has finished its unit."""
        figures = self._figures[sampler]
        figures.num_units += 1
        figures.num_tokens += num_tokens
        figures.busy_seconds += self._clock() - self._busy_since.pop(sampler)

    def lost(self, sampler: str, reason: str) -> None:
        """A sampler is gone, with its unit if it had one."""
        figures = self._figures[sampler]
        figures.lost = reason
        if sampler in self._busy_since:
            figures.num_lost_units += 1
            figures.busy_seconds += self._clock() - self._busy_since.pop(sampler)
        self._leave(sampler)

    @property
    def rows(self) -> Sequence[SamplerFigures]:
        """A record for each sampler, in the order in which they joined."""
        return list(self._figures.values())

    @property
    def num_lost_units(self) -> int:
        """Units that were lost and sampled again."""
        return sum(row.num_lost_units for row in self.rows)

    @property
    def seconds(self) -> float:
        """How long there were units that were not finished, for the sampler that saw most of it."""
        return max((row.present_seconds for row in self.rows), default=0.0)

    def summary(self) -> str:
        """Return what was sampled, by how many, how fast and how idle, in a line."""
        rows = [row for row in self.rows if row.present_seconds]
        if not rows:
            return "nothing was sampled"
        speeds = [row.tokens_per_second for row in rows]
        idle = [100 * row.idle_fraction for row in rows]
        total = sum(row.num_tokens for row in rows)
        parts = [
            f"{counted(len(rows), 'sampler')}: {total / self.seconds:,.0f} tokens/s, each "
            f"{_from_to(min(speeds), max(speeds), '')}, idle {_from_to(min(idle), max(idle), ' %')}"
        ]
        if lost := [row.sampler for row in self.rows if row.lost]:
            parts.append(
                f"{counted(len(lost), 'sampler')} lost ({', '.join(lost)}), "
                f"{counted(self.num_lost_units, 'unit')} sampled again"
            )
        return "; ".join(parts)

    def _leave(self, sampler: str) -> None:
        since = self._present_since.pop(sampler, None)
        if since is not None:
            self._figures[sampler].present_seconds += self._clock() - since


class SamplingTotals:
    """Figures of all samplers over all versions of the weights."""

    def __init__(self) -> None:
        self._sums: dict[str, SamplerFigures] = {}

    def add(self, figures: SamplingFigures) -> None:
        """Add those of another version."""
        for row in figures.rows:
            known = self._sums.setdefault(row.sampler, SamplerFigures(sampler=row.sampler))
            known.num_units += row.num_units
            known.num_tokens += row.num_tokens
            known.busy_seconds += row.busy_seconds
            known.present_seconds += row.present_seconds
            known.num_lost_units += row.num_lost_units
            known.lost = row.lost

    @property
    def num_lost_units(self) -> int:
        """Units that were lost and sampled again."""
        return sum(row.num_lost_units for row in self._sums.values())

    def lines(self) -> list[str]:
        """Return a line for each sampler."""
        return [
            f"{row.sampler}: {counted(row.num_units, 'unit')}, {row.num_tokens:,} tokens, "
            f"{row.tokens_per_second:,.0f} tokens/s, idle {100 * row.idle_fraction:.0f} %"
            + (f"; lost, {counted(row.num_lost_units, 'unit')} with it" if row.lost else "")
            for row in self._sums.values()
        ]


def _from_to(least: float, most: float, unit: str) -> str:
    low, high = f"{least:,.0f}", f"{most:,.0f}"
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"
