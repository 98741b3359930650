"""Units given to samplers that may be lost: what is lost is sampled again, by another one.

Which sampler takes a unit, and how often it is tried, depends on the clock and on accidents; what
the unit's responses are does not. Nothing here knows where samplers run.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pmd_pipeline.engines.errors import EngineFailedError
from pmd_pipeline.engines.sampler_figures import SamplingFigures
from pmd_pipeline.engines.unit_pool import UnitHandle
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.records import Completion
from pmd_pipeline.wording import counted

_logger = logging.getLogger(__name__)

# While a sampler waits for units, or one is being started; otherwise nothing can be late.
_SECONDS_BETWEEN_LOOKS_IDLE = 0.1
_SECONDS_BETWEEN_LOOKS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSampled:
    """A sampler has the responses to each prompt of its unit."""

    sampler: str
    groups: Sequence[list[Completion]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingFailed:
    """Something failed that would fail again: an engine refused its unit, a newcomer is stale."""

    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerLost:
    """A sampler is gone, with what it was sampling."""

    sampler: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplersJoined:
    """What came of the call for more samplers.

    Attributes:
        samplers: Those that are ready, with the weights of the others.
        shortage: Why there are no more of them; empty if there are as many as wanted.
    """

    samplers: Sequence[str]
    shortage: str


Event = UnitSampled | SamplingFailed | SamplerLost | SamplersJoined


class Fleet(Protocol):
    """The samplers, each with a name that no other has had before."""

    def begin(self, sampler: str, unit: Unit) -> None:
        """Have a free sampler sample a unit."""

    def wait(self, seconds: float) -> Sequence[Event]:
        """Return what has happened, as soon as something has; nothing after ``seconds``."""

    def end(self, sampler: str, reason: str) -> None:
        """End a sampler; no event follows."""

    def call_for_more(self) -> bool:
        """Have samplers started until there are as many as wanted; one event follows.

        Returns:
            False if there are as many as wanted; no event follows.
        """


@dataclass(slots=True)
class _OpenUnit:
    handle: UnitHandle
    losses: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Running:
    unit: _OpenUnit
    since: float


class UnitSchedule:
    """Gives units to samplers until all are sampled. One thread calls :meth:`step`.

    Args:
        fleet: The samplers.
        samplers: Names of those that are ready.
        max_resubmissions: Times that a unit is sampled again; then all open units end in an error.
        unit_seconds: A sampler that takes longer is ended.
        describe: Returns a unit's prompts in words, for that error.
        figures: Told who samples what, and who is lost.
        clock: Seconds.
    """

    def __init__(
        self,
        fleet: Fleet,
        samplers: Iterable[str],
        *,
        max_resubmissions: int,
        unit_seconds: float,
        describe: Callable[[Unit], str],
        figures: SamplingFigures,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fleet = fleet
        self._free = list(samplers)
        self._known = set(self._free)
        self._running: dict[str, _Running] = {}
        self._waiting: deque[_OpenUnit] = deque()
        self._max_resubmissions = max_resubmissions
        self._unit_seconds = unit_seconds
        self._describe = describe
        self._figures = figures
        self._clock = clock
        self._is_calling = False
        self._shortage = ""
        self._closed: BaseException | None = None
        self._changed = threading.Condition()
        for sampler in self._free:
            figures.joined(sampler)

    def submit(self, units: Sequence[Unit]) -> list[UnitHandle]:
        """Have units sampled, the first ones first; return their handles. For any thread.

        Raises:
            EngineFailedError: If the schedule is closed; or whatever it was closed with.
        """
        handles = [UnitHandle(unit) for unit in units]
        with self._changed:
            if self._closed is not None:
                raise self._closed
            self._waiting.extend(map(_OpenUnit, handles))
            if handles:
                self._figures.work_begins()
            self._changed.notify()
        return handles

    def close(self, error: BaseException) -> None:
        """Begin no further unit; who waits for one that is open gets ``error``. For any thread."""
        with self._changed:
            if self._closed is not None:
                return
            self._closed = error
            still_open = [*self._waiting, *(one.unit for one in self._running.values())]
            self._waiting.clear()
            self._running.clear()
            self._changed.notify()
        for unit in still_open:
            unit.handle.end(error)

    @property
    def has_open_units(self) -> bool:
        """Whether a unit waits or is being sampled."""
        return bool(self._waiting or self._running)

    def run(self) -> None:
        """Sample what is submitted until the schedule is closed; an error closes it."""
        try:
            while self._await_work():
                self.step()
        except Exception as error:
            _logger.debug("the schedule of units has failed", exc_info=True)
            self.close(EngineFailedError(f"sampling failed: {type(error).__name__}: {error}"))

    def step(self) -> None:
        """Begin what can begin, wait for one thing to happen, and act on it."""
        with self._changed:
            self._begin()
            self._refuse_to_wait_for_nobody()
            seconds = self._seconds_to_wait()
        for event in self._fleet.wait(seconds):
            with self._changed:
                self._take(event)
        with self._changed:
            for sampler, late in list(self._running.items()):
                if self._clock() - late.since >= self._unit_seconds:
                    reason = f"no answer in {self._unit_seconds:g} seconds"
                    self._fleet.end(sampler, reason)
                    self._lose(sampler, reason)

    def _await_work(self) -> bool:
        with self._changed:
            while self._closed is None and not self.has_open_units and not self._is_calling:
                self._changed.wait()
            return self._closed is None

    def _begin(self) -> None:
        while self._closed is None and self._waiting and self._free:
            sampler, unit = self._free.pop(0), self._waiting.popleft()
            self._running[sampler] = _Running(unit, self._clock())
            self._figures.begun(sampler)
            self._fleet.begin(sampler, unit.handle.unit)

    def _refuse_to_wait_for_nobody(self) -> None:
        if self._closed is not None or not self._waiting or self._running:
            return
        if not self._shortage:
            self._call_for_more()
        if not self._is_calling:
            self.close(EngineFailedError(f"no sampler is left; {self._shortage}"))

    def _seconds_to_wait(self) -> float:
        is_ready_for_more = self._free or self._is_calling
        seconds = _SECONDS_BETWEEN_LOOKS_IDLE if is_ready_for_more else _SECONDS_BETWEEN_LOOKS
        now = self._clock()
        left = [one.since + self._unit_seconds - now for one in self._running.values()]
        return max(0.0, min([seconds, *left]))

    def _take(self, event: Event) -> None:
        match event:
            case UnitSampled(sampler=sampler, groups=groups):
                if (done := self._running.pop(sampler, None)) is not None:
                    self._free.append(sampler)
                    self._figures.sampled(
                        sampler, sum(len(one.token_ids) for group in groups for one in group)
                    )
                    for position, group in enumerate(groups):
                        done.unit.handle.report((position, group))
                    done.unit.handle.end()
                    if not self.has_open_units:
                        self._figures.work_ends()
            case SamplingFailed(error=error):
                self.close(error)
            case SamplerLost(sampler=sampler, reason=reason):
                self._lose(sampler, reason)
            case SamplersJoined(samplers=samplers, shortage=shortage):
                self._is_calling = False
                self._shortage = shortage
                for sampler in samplers:
                    if sampler not in self._known:  # news may come twice, after a change of weights
                        self._known.add(sampler)
                        self._free.append(sampler)
                        self._figures.joined(sampler)
                self._changed.notify()

    def _lose(self, sampler: str, reason: str) -> None:
        if sampler not in self._known:
            return
        if sampler in self._free:
            self._free.remove(sampler)
        lost = self._running.pop(sampler, None)
        self._figures.lost(sampler, reason)
        if lost is None:
            return
        unit = lost.unit
        unit.losses.append(f"{sampler}: {reason}")
        if len(unit.losses) > self._max_resubmissions:
            self._running[sampler] = lost  # still open: it gets the error as well
            self.close(EngineFailedError(self._obituary(unit)))
            return
        self._waiting.appendleft(unit)
        if not self._free and not self._shortage:
            self._call_for_more()

    def _call_for_more(self) -> None:
        if not self._is_calling:
            self._is_calling = self._fleet.call_for_more()

    def _obituary(self, unit: _OpenUnit) -> str:
        losses = "\n".join(f"  {loss}" for loss in unit.losses)
        times = counted(len(unit.losses), "time")
        return (
            f"a unit of {counted(len(unit.handle.unit.prompts), 'prompt')} was given to a sampler "
            f"{times}, and each was lost with it:\n{losses}\nThe prompts:\n"
            f"{self._describe(unit.handle.unit)}\nIf one of them needs more memory than a sampler "
            "has, lower max_batch_size or unit_size of rollout_engine.options, or take it out of "
            "the data; if samplers are lost for another reason, raise max_resubmissions"
        )
