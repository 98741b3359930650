"""A thread that sends to a place that may be out of reach, so that nobody waits for it."""

import threading
import time
from abc import ABC, abstractmethod

FIRST_PAUSE_SECONDS = 1.0
"""Between two tries while the place does not work; doubled after each."""


class SendingThread(ABC):
    """Sends what waits, and more whenever it is woken, until it is closed.

    A subclass sends, and says when the place fails and when it works again. Its ``__init__`` ends
    with this one's, which starts the thread.

    Args:
        name: Of the thread.
        last_pause_seconds: The longest pause between two tries.
        is_out: Whether the place is known not to work, and that has been said.
    """

    def __init__(self, name: str, *, last_pause_seconds: float, is_out: bool) -> None:
        self._last_pause_seconds = last_pause_seconds
        self._condition = threading.Condition()
        self._has_news = True
        self._is_closing = False
        self._is_out = is_out
        self._last_progress = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Send soon: there is something new."""
        with self._condition:
            self._has_news = True
            self._condition.notify_all()

    def close(self, patience_seconds: float) -> None:
        """Return when all is sent, or nothing has arrived for a while.

        Args:
            patience_seconds: How long to wait without any progress. A place that is known not to
                work is tried once more.
        """
        self._note_progress()
        with self._condition:
            self._is_closing = True
            self._condition.notify_all()
        while self._thread.is_alive():
            self._thread.join(0.05)
            if time.monotonic() - self._last_progress > patience_seconds:
                return

    @abstractmethod
    def _send(self) -> bool:
        """Send all that waits; return False to send nothing any more.

        Whatever it raises, it is called again after a pause.
        """

    @abstractmethod
    def _say_out(self, error: Exception) -> None:
        """Say that the place does not work; once until it works again."""

    @abstractmethod
    def _say_back(self) -> None:
        """Say that the place works again."""

    def _end(self) -> None:  # noqa: B027 - may have nothing to do
        """Do what is left to do when the thread ends."""

    def _note_progress(self) -> None:
        """Tell whoever closes this that something has arrived."""
        self._last_progress = time.monotonic()

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            is_last = self._wait_for_news()
            try:
                goes_on = self._send()
            except Exception as error:
                # Whatever it is, the thread must go on: another try may find it gone.
                self._note_outage(error)
                self._pause(pause)
                pause = min(2 * pause, self._last_pause_seconds)
            else:
                if not goes_on:
                    break
                self._note_success()
                pause = FIRST_PAUSE_SECONDS
            if is_last:
                break
        self._end()

    def _wait_for_news(self) -> bool:
        """Return, when there is something to send, whether this is the last time."""
        with self._condition:
            self._condition.wait_for(lambda: self._has_news or self._is_closing)
            self._has_news = False
            return self._is_closing

    def _pause(self, seconds: float) -> None:
        with self._condition:
            self._has_news = True
            self._condition.wait_for(lambda: self._is_closing, timeout=seconds)

    def _note_outage(self, error: Exception) -> None:
        if not self._is_out:
            self._say_out(error)
        self._is_out = True

    def _note_success(self) -> None:
        if self._is_out:
            self._say_back()
        self._is_out = False
