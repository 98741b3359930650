"""The thread goes on whatever fails, says so once, and holds up nobody."""

import threading

import pytest

from pmd_pipeline import sending_thread
from pmd_pipeline.sending_thread import SendingThread


class Place(SendingThread):
    """Takes what is sent, once it has failed as often as it is told to."""

    def __init__(self, num_failures: int = 0, *, is_out: bool = False, takes: bool = True) -> None:
        self._num_failures = num_failures
        self._takes = takes
        self.attempts = threading.Semaphore(0)
        self.said: list[str] = []
        super().__init__("place", last_pause_seconds=0.02, is_out=is_out)

    def _send(self) -> bool:
        self.attempts.release()
        if self._num_failures:
            self._num_failures -= 1
            raise ConnectionError(f"{self._num_failures} to come")
        self.said.append("sent")
        return self._takes

    def _say_out(self, error: Exception) -> None:
        self.said.append(f"out: {error}")

    def _say_back(self) -> None:
        self.said.append("back")

    def _end(self) -> None:
        self.said.append("ended")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending_thread, "FIRST_PAUSE_SECONDS", 0.01)


def test_an_outage_and_its_end_are_each_said_once() -> None:
    place = Place(3)
    for _ in range(4):
        assert place.attempts.acquire(timeout=10)
    place.close(10)
    assert place.said == ["out: 2 to come", "sent", "back", "sent", "ended"]


def test_an_outage_that_was_said_before_is_not_said_again() -> None:
    place = Place(1, is_out=True)
    for _ in range(2):
        assert place.attempts.acquire(timeout=10)
    place.close(10)
    assert place.said == ["sent", "back", "sent", "ended"]


def test_what_comes_later_is_sent_when_the_thread_is_woken() -> None:
    place = Place()
    for _ in range(3):
        assert place.attempts.acquire(timeout=10)
        place.wake()
    place.close(10)
    assert place.said[-1] == "ended"
    assert "out" not in "".join(place.said)


def test_closing_tries_once_more_and_waits_no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending_thread, "FIRST_PAUSE_SECONDS", 3600)
    place = Place(1_000)
    assert place.attempts.acquire(timeout=10)
    place.close(10)
    assert place.said == ["out: 999 to come", "ended"]
    assert place.attempts.acquire(timeout=0)
    assert not place.attempts.acquire(timeout=0)


def test_a_place_that_takes_nothing_any_more_is_left_alone() -> None:
    place = Place(takes=False)
    assert place.attempts.acquire(timeout=10)
    place.close(10)
    place.wake()
    assert place.said == ["sent", "ended"]
    assert not place.attempts.acquire(timeout=0.05)
