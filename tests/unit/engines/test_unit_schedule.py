"""Which sampler samples which unit, and what becomes of units whose samplers are lost.

The samplers are made up and the clock is moved by hand: nothing here waits.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest

from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.errors import EngineFailedError
from pmd_pipeline.engines.sampler_figures import SamplingFigures
from pmd_pipeline.engines.unit_pool import UnitHandle
from pmd_pipeline.engines.unit_schedule import (
    Event,
    SamplerLost,
    SamplersJoined,
    SamplingFailed,
    UnitSampled,
    UnitSchedule,
)
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.records import Completion


class MadeUpFleet:
    """Samplers that take a second for a unit of one prompt, and may die of it.

    Attributes:
        begun: Which sampler was given which unit's seed, in order.
    """

    def __init__(self, names: Iterable[str], *, wanted: int, room: int = 0) -> None:
        self.now = 0.0
        self.names = list(names)
        self.begun: list[tuple[str, int]] = []
        self.seconds: Callable[[str, int], float] = lambda sampler, seed: 1.0
        self.dies: Callable[[str, int], bool] = lambda sampler, seed: False
        self._wanted = wanted
        self._room = room
        self._named = len(self.names)
        self._due: list[tuple[float, Event]] = []

    def begin(self, sampler: str, unit: Unit) -> None:
        seed = unit.seeds[0]
        self.begun.append((sampler, seed))
        event: Event = UnitSampled(sampler=sampler, groups=[[response(seed)]])
        if self.dies(sampler, seed):
            event = SamplerLost(sampler=sampler, reason="killed")
        self._due.append((self.now + self.seconds(sampler, seed), event))

    def wait(self, seconds: float) -> Sequence[Event]:
        self._due.sort(key=lambda one: one[0])
        if self._due and self._due[0][0] <= self.now + seconds:
            self.now, event = self._due.pop(0)
            if isinstance(event, SamplerLost) and event.sampler in self.names:
                self.names.remove(event.sampler)
            return [event]
        self.now += seconds
        return []

    def end(self, sampler: str, reason: str) -> None:
        self.names.remove(sampler)
        self._due = [one for one in self._due if getattr(one[1], "sampler", None) != sampler]

    def call_for_more(self) -> bool:
        missing = self._wanted - len(self.names)
        if missing <= 0:
            return False
        new = [f"s{self._named + i + 1}" for i in range(min(missing, self._room))]
        self._room -= len(new)
        self._named += len(new)
        self.names += new
        shortage = "" if len(new) == missing else "no room for more"
        self._due.append((self.now + 5.0, SamplersJoined(samplers=new, shortage=shortage)))
        return True

    def tell(self, event: Event) -> None:
        """Have something happen now."""
        self._due.append((self.now, event))


def response(seed: int) -> Completion:
    return Completion(token_ids=(seed,) * 10, log_probs=np.zeros(10), truncated=False)


def unit(seed: int) -> Unit:
    return Unit(
        prompts=[[1, seed]], seeds=[seed], num_samples=1, sampling=SamplingConfig(max_new_tokens=1)
    )


def schedule(fleet: MadeUpFleet, **options: float) -> UnitSchedule:
    settings = {"max_resubmissions": 2, "unit_seconds": 60.0} | options
    return UnitSchedule(
        fleet,
        list(fleet.names),
        describe=lambda unit: f"  prompt {unit.seeds[0]}",
        figures=SamplingFigures(clock=lambda: fleet.now),
        clock=lambda: fleet.now,
        **settings,
    )


def sample(units: UnitSchedule, seeds: Iterable[int]) -> list[int]:
    """Return what each unit's response says it was sampled for."""
    handles = units.submit([unit(seed) for seed in seeds])
    return finish(units, handles)


def finish(units: UnitSchedule, handles: Sequence[UnitHandle]) -> list[int]:
    for _ in range(1000):
        if not units.has_open_units:
            break
        units.step()
    return [handle.collect()[0][0].token_ids[0] for handle in handles]


def test_units_go_to_whoever_is_free_and_the_first_submitted_go_first() -> None:
    fleet = MadeUpFleet(["s1", "s2"], wanted=2)
    fleet.seconds = lambda sampler, seed: 3.0 if sampler == "s1" else 1.0
    assert sample(schedule(fleet), range(5)) == list(range(5))
    assert fleet.begun == [("s1", 0), ("s2", 1), ("s2", 2), ("s2", 3), ("s1", 4)]
    assert fleet.now == 6.0


def test_what_a_lost_sampler_held_is_sampled_next_by_another_one() -> None:
    fleet = MadeUpFleet(["s1", "s2"], wanted=2)
    fleet.dies = lambda sampler, seed: (sampler, seed) == ("s2", 1)
    fleet.seconds = lambda sampler, seed: 1.0 if sampler == "s1" else 0.5
    units = schedule(fleet)
    assert sample(units, range(4)) == list(range(4))
    assert fleet.begun == [("s1", 0), ("s2", 1), ("s1", 1), ("s1", 2), ("s1", 3)]


def test_a_lost_sampler_is_replaced_while_others_sample_on() -> None:
    fleet = MadeUpFleet(["s1", "s2"], wanted=2, room=1)
    fleet.dies = lambda sampler, seed: sampler == "s2"
    fleet.seconds = lambda sampler, seed: 4.0
    assert sample(schedule(fleet), range(6)) == list(range(6))
    assert [sampler for sampler, _ in fleet.begun] == ["s1", "s2", "s1", "s1", "s3", "s1", "s3"]


def test_the_last_sampler_is_replaced_and_its_unit_waits_for_the_new_one() -> None:
    fleet = MadeUpFleet(["s1"], wanted=1, room=1)
    fleet.dies = lambda sampler, seed: (sampler, seed) == ("s1", 1)
    assert sample(schedule(fleet), range(3)) == list(range(3))
    assert fleet.begun == [("s1", 0), ("s1", 1), ("s2", 1), ("s2", 2)]


def test_without_any_sampler_and_without_room_for_one_who_waits_gets_an_error() -> None:
    fleet = MadeUpFleet(["s1", "s2"], wanted=2)
    fleet.dies = lambda sampler, seed: True
    units = schedule(fleet)
    handles = units.submit([unit(0), unit(1), unit(2)])
    for handle in handles:
        with pytest.raises(EngineFailedError, match="no sampler is left; no room for more"):
            finish(units, [handle])
    with pytest.raises(EngineFailedError, match="no sampler is left"):
        units.submit([unit(3)])


def test_a_sampler_that_takes_too_long_is_ended_and_its_unit_sampled_by_another() -> None:
    fleet = MadeUpFleet(["s1", "s2"], wanted=2)
    fleet.seconds = lambda sampler, seed: float("inf") if sampler == "s1" else 7.0
    assert sample(schedule(fleet, unit_seconds=10.0), range(3)) == [0, 1, 2]
    assert fleet.begun == [("s1", 0), ("s2", 1), ("s2", 2), ("s2", 0)]
    assert fleet.names == ["s2"]


@pytest.mark.parametrize("max_resubmissions", [0, 2])
def test_a_unit_that_always_kills_its_sampler_ends_all_with_its_prompts_named(
    max_resubmissions: int,
) -> None:
    fleet = MadeUpFleet(["s1", "s2"], wanted=2, room=9)
    fleet.dies = lambda sampler, seed: seed == 1
    units = schedule(fleet, max_resubmissions=max_resubmissions)
    handles = units.submit([unit(seed) for seed in range(9)])
    with pytest.raises(EngineFailedError) as caught:
        finish(units, handles)
    assert [seed for _, seed in fleet.begun].count(1) == max_resubmissions + 1
    lost = [sampler for sampler, seed in fleet.begun if seed == 1]
    words = "1 time" if max_resubmissions == 0 else "3 times"
    assert str(caught.value).startswith(
        f"a unit of 1 prompt was given to a sampler {words}, and each was lost with it:\n"
        + "".join(f"  {sampler}: killed\n" for sampler in lost)
        + "The prompts:\n  prompt 1\n"
    )
    for handle in handles[-2:]:
        with pytest.raises(EngineFailedError, match="prompt 1"):
            handle.collect()


def test_losses_of_different_units_do_not_add_up() -> None:
    fleet = MadeUpFleet(["s1"], wanted=1, room=9)
    tried: set[int] = set()
    fleet.dies = lambda sampler, seed: seed not in tried and not tried.add(seed)
    assert sample(schedule(fleet, max_resubmissions=1), range(4)) == list(range(4))
    assert len({sampler for sampler, _ in fleet.begun}) == 5


def test_what_would_fail_again_is_not_tried_again() -> None:
    fleet = MadeUpFleet(["s1"], wanted=1, room=9)
    units = schedule(fleet)
    handles = units.submit([unit(0), unit(1)])
    fleet.tell(SamplingFailed(error=EngineFailedError("out of positions")))
    for handle in handles:
        with pytest.raises(EngineFailedError, match="out of positions"):
            finish(units, [handle])
    assert len(fleet.begun) == 1


def test_news_of_samplers_that_are_known_or_never_were_changes_nothing() -> None:
    fleet = MadeUpFleet(["s1", "s2"], wanted=2)
    fleet.tell(SamplersJoined(samplers=["s2"], shortage=""))
    fleet.tell(SamplerLost(sampler="s0", reason="long ago"))
    assert sample(schedule(fleet), range(4)) == list(range(4))
    assert fleet.begun == [("s1", 0), ("s2", 1), ("s1", 2), ("s2", 3)]


def test_closing_gives_an_error_to_whoever_waits() -> None:
    fleet = MadeUpFleet(["s1"], wanted=1)
    units = schedule(fleet)
    handles = units.submit([unit(0), unit(1), unit(2)])
    units.step()
    units.close(EngineFailedError("closed"))
    assert handles[0].collect()[0][0].token_ids[0] == 0
    for handle in handles[1:]:
        with pytest.raises(EngineFailedError, match="closed"):
            handle.collect()


def test_figures_of_each_sampler() -> None:
    """s1 samples two units of 3 s each; s2 is lost after 1 s with the second, at its first try."""
    fleet = MadeUpFleet(["s1", "s2"], wanted=2)
    fleet.seconds = lambda sampler, seed: 3.0 if sampler == "s1" else 1.0
    fleet.dies = lambda sampler, seed: sampler == "s2"
    figures = SamplingFigures(clock=lambda: fleet.now)
    units = UnitSchedule(
        fleet,
        ["s1", "s2"],
        max_resubmissions=1,
        unit_seconds=60.0,
        describe=str,
        figures=figures,
        clock=lambda: fleet.now,
    )
    sample(units, range(2))
    one, two = figures.rows
    assert (one.num_units, one.num_tokens, one.busy_seconds, one.present_seconds) == (2, 20, 6, 6)
    assert (two.num_units, two.num_lost_units, two.present_seconds) == (0, 1, 1)
    assert figures.summary() == (
        "2 samplers: 3 tokens/s, each 0 to 3, idle 0 %; 1 sampler lost (s2), 1 unit sampled again"
    )
    fleet.now += 100  # nothing is sampled: time that does not count
    sample(units, [5])
    assert one.present_seconds == 9
