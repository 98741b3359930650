"""The loop over missing units, with a stand-in for the processes that train."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from claims_helpers import plan, result_of

from pmd_pipeline.claims.loop import ClaimsLoop, Finished
from pmd_pipeline.claims.results import UnitResult
from pmd_pipeline.claims.store import ResultStore
from pmd_pipeline.claims.units import Unit
from pmd_pipeline.processes.errors import CallFailedError, ProcessEndedError


class _Process:
    """Finds something at once, unless ``train`` says otherwise; counts what is beside it."""

    def __init__(self, train: Callable[[Unit], UnitResult], log: list[Unit]) -> None:
        self._train = train
        self._log = log
        self.is_killed = False

    def call(self, method: str, /, **arguments: Any) -> Any:
        if self.is_killed:
            raise ProcessEndedError("was ended before this call")
        unit = arguments["unit"]
        self._log.append(unit)
        return self._train(unit)

    def kill(self) -> None:
        self.is_killed = True


class _Setting:
    """A folder, and loops over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begun: list[Unit] = []
        self.ended: list[Finished] = []

    @property
    def store(self) -> ResultStore:
        return ResultStore(self.folder)

    def run(
        self, train: Callable[[Unit], UnitResult] = result_of, **options: Any
    ) -> dict[str, str]:
        self.begun.clear()
        loop = ClaimsLoop(
            self.folder,
            self.store,
            num_workers=options.pop("num_workers", 1),
            start=lambda: _Process(train, self.begun),
            report=self.ended.append,
            **options,
        )
        return loop.run(plan())


@pytest.fixture
def setting(tmp_path: Path) -> _Setting:
    return _Setting(tmp_path)


def test_tunings_come_first_then_pair_after_pair_and_a_second_run_does_nothing(
    setting: _Setting,
) -> None:
    assert setting.run() == {}
    seeds = [unit.seeds.training for unit in setting.begun]
    assert seeds == 2 * [1001] + 4 * [11] + 4 * [12]
    assert [unit.alone for unit in setting.begun[2:6]] == [False, False, True, True]
    assert setting.run() == {}
    assert setting.begun == []
    assert len(plan().results("first", setting.store).seeds) == 2


def test_a_run_that_was_stopped_goes_on_where_it_was(setting: _Setting) -> None:
    def stop_at_the_fifth(unit: Unit) -> UnitResult:
        if len(setting.begun) == 5:
            raise KeyboardInterrupt
        return result_of(unit)

    with pytest.raises(KeyboardInterrupt):
        setting.run(stop_at_the_fifth)
    fifth = setting.begun[-1]
    setting.run()
    assert setting.begun[0].key == fifth.key
    assert len(setting.begun) == 6


def test_a_process_that_dies_is_tried_once_more(setting: _Setting) -> None:
    def die_the_first_time(unit: Unit) -> UnitResult:
        if len(setting.begun) == 1:
            raise ProcessEndedError("ended with signal 9")
        return result_of(unit)

    assert setting.run(die_the_first_time) == {}
    assert setting.begun[0] is setting.begun[1]


def test_a_unit_that_fails_is_reported_and_the_rest_goes_on(setting: _Setting) -> None:
    def fail_grpo(unit: Unit) -> UnitResult:
        if unit.label == "grpo" and unit.seeds.training == 11 and not unit.alone:
            raise CallFailedError(
                "", error_type="ValueError", error_message="no luck", traceback_text=""
            )
        return result_of(unit)

    failed = setting.run(fail_grpo)
    assert list(failed.values()) == ["no luck"]
    assert [finished.error for finished in setting.ended if finished.result is None] == ["no luck"]
    seeds = plan().results("first", setting.store).seeds
    assert [pair.training for pair in seeds] == [12]


def test_without_its_tuning_an_arm_is_left_out(setting: _Setting) -> None:
    def fail_tuning(unit: Unit) -> UnitResult:
        if unit.on_validation:
            raise CallFailedError(
                "", error_type="ValueError", error_message="no luck", traceback_text=""
            )
        return result_of(unit)

    assert len(setting.run(fail_tuning)) == 2
    work = plan()
    assert work.results("first", setting.store).seeds == ()
    assert len(work.results("alone", setting.store).seeds) == 2


def test_nothing_is_begun_after_the_time_is_over(setting: _Setting) -> None:
    assert setting.run(stop_after_seconds=0.0) == {}
    assert setting.begun == []


def test_units_run_side_by_side_but_those_that_are_to_be_alone(setting: _Setting) -> None:
    meeting = threading.Barrier(2, timeout=20)
    running: list[Unit] = []
    lock = threading.Lock()

    def meet(unit: Unit) -> UnitResult:
        if not unit.alone:
            meeting.wait()
            return result_of(unit)
        with lock:
            running.append(unit)
        assert running == [unit]
        with lock:
            running.remove(unit)
        return result_of(unit)

    assert setting.run(meet, num_workers=2) == {}
    assert len(setting.begun) == 10
