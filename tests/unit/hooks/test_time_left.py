"""How long a run takes yet."""

import pytest

from pmd_pipeline.hooks.time_left import TimeLeft, Work

WORK = {
    "clean": Work("clean"),
    "a.train": Work("train.a", 3),
    "b.train": Work("train.b", 3),
    "a.evaluate": Work("evaluate"),
    "b.evaluate": Work("evaluate"),
}


def test_nothing_is_said_before_what_takes_long_was_measured() -> None:
    left = TimeLeft({**WORK, "initial.evaluate": Work("evaluate")})
    left.begin("clean", 0.0)
    left.begin("initial.evaluate", 1.0)
    left.begin("a.train", 11.0)
    assert left.of_run() is None
    assert left.of_node() is None
    left.count(15.0, left=2)
    assert left.of_node() == 8.0
    # Rounds of b are taken to be as long as those of a.
    assert left.of_run() == pytest.approx(8.0 + 3 * 4.0 + 2 * 10.0)


def test_each_kind_goes_by_its_own_rate_once_it_has_one() -> None:
    left = TimeLeft({name: WORK[name] for name in ("a.train", "b.train")})
    left.begin("a.train", 0.0)
    for now, rest in ((2.0, 2), (4.0, 1), (6.0, 0)):
        left.count(now, left=rest)
    left.begin("b.train", 6.0)
    left.count(16.0, left=2)
    assert left.of_run() == left.of_node() == 20.0


def test_a_phase_that_goes_on_in_the_middle_has_fewer_rounds_left() -> None:
    left = TimeLeft({"a.train": Work("train.a", 100)})
    left.begin("a.train", 0.0)
    left.count(5.0, left=10)
    assert left.of_run() == 50.0


def test_nodes_that_have_never_run_count_as_those_that_have() -> None:
    left = TimeLeft({name: Work(name) for name in ("clean", "select", "report", "compare")})
    left.begin("clean", 0.0)
    left.begin("select", 1.0)
    left.begin("report", 8.0)
    left.end(9.0)
    # The median of 1, 7 and 1 s: one that takes long is no rule.
    assert left.of_run() == 1.0
