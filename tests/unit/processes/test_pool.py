"""Workers are started when they are needed, lent to one thread each, and ended together."""

import threading

import pytest

from pmd_pipeline.processes.pool import Pool


class Worker:
    """Knows whether it was killed, and how many blocks have it now."""

    def __init__(self) -> None:
        self.is_killed = False
        self.num_borrowers = 0

    def kill(self) -> None:
        self.is_killed = True


def test_none_is_started_before_it_is_needed_and_the_last_used_is_lent_first() -> None:
    pool = Pool(Worker, 3)
    assert pool.started == ()
    for _ in range(5):
        with pool.lend():
            pass
    assert len(pool.started) == 1


def test_those_started_ahead_of_need_are_lent_first_and_are_no_more_than_allowed() -> None:
    pool = Pool(Worker, 3)
    pool.start(2)
    pool.start(2)
    early = pool.started
    assert len(early) == 2
    with pool.lend() as first, pool.lend() as second:
        assert {first, second} == set(early)
        pool.start(9)
        assert len(pool.started) == 3
    pool.start(9)
    assert len(pool.started) == 3


def test_results_keep_their_order_and_no_worker_has_two_borrowers() -> None:
    pool = Pool(Worker, 2)
    both = threading.Barrier(2, timeout=30)  # two are lent at one time

    def call(item: int) -> int:
        with pool.lend() as worker:
            worker.num_borrowers += 1
            assert worker.num_borrowers == 1
            both.wait()
            worker.num_borrowers -= 1
        return 10 * item

    assert pool.map(call, range(6)) == [0, 10, 20, 30, 40, 50]
    assert len(pool.started) == 2
    assert pool.map(call, []) == []


def test_a_worker_comes_back_after_an_error_and_all_end_together() -> None:
    pool = Pool(Worker, 1)
    with pytest.raises(LookupError), pool.lend():
        raise LookupError
    with pool.lend() as worker:
        assert pool.started == (worker,)
    pool.kill()
    assert worker.is_killed
    assert pool.started == ()


def test_a_start_that_fails_takes_no_place() -> None:
    starts = iter([RuntimeError("no memory"), Worker()])

    def start() -> Worker:
        made = next(starts)
        if isinstance(made, Exception):
            raise made
        return made

    pool = Pool(start, 1)
    with pytest.raises(RuntimeError, match="no memory"), pool.lend():
        pass
    with pool.lend() as worker:
        assert pool.started == (worker,)
