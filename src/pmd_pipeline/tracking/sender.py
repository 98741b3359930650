"""The thread that sends what is in the outbox, so that training never waits for the store."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pmd_pipeline.tracking.errors import sorted_error
from pmd_pipeline.tracking.outbox import Outbox, left_outboxes
from pmd_pipeline.tracking.sending import send_waiting
from pmd_pipeline.tracking.store import TrackingStore

# Seconds between two tries while the store does not work: doubled from the first to the last.
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 30.0

_logger = logging.getLogger(__name__)


class Sender:
    """Sends one process's records, after those that dead processes have left.

    Args:
        outbox: Of this process. Released when the thread ends.
        store: Where to; None if it has not answered so far.
        connect: Gives it then; called again after an error.
    """

    def __init__(
        self,
        outbox: Outbox,
        store: TrackingStore | None,
        connect: Callable[[], TrackingStore],
    ) -> None:
        self._outbox = outbox
        self._store = store
        self._connect = connect
        self._condition = threading.Condition()
        self._has_news = True
        self._is_closing = False
        self._is_out = store is None  # whoever has asked it has said so
        self._refused: set[int] = set()
        self._passed_over: set[Path] = set()
        self._thread = threading.Thread(target=self._run, name="mlflow-sender", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Send soon: the outbox has a new record."""
        with self._condition:
            self._has_news = True
            self._condition.notify_all()

    def close(self, patience_seconds: float) -> None:
        """Return when all is sent, or nothing has been for a while.

        Args:
            patience_seconds: How long to wait without any progress. A store that is known not to
                work is tried once more.
        """
        with self._condition:
            self._is_closing = True
            self._condition.notify_all()
        num_waiting, since = len(self._outbox.waiting()), time.monotonic()
        while self._thread.is_alive():
            self._thread.join(0.05)
            if len(self._outbox.waiting()) != num_waiting:
                num_waiting, since = len(self._outbox.waiting()), time.monotonic()
            if time.monotonic() - since > patience_seconds:
                return

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            with self._condition:
                while not self._has_news and not self._is_closing:
                    self._condition.wait()
                self._has_news = False
                is_last = self._is_closing
            try:
                self._send()
            except Exception as error:
                # Whatever it is, the thread must go on: another try may find it gone.
                self._say_out(sorted_error(error))
                with self._condition:
                    self._has_news = True
                    if not self._is_closing:
                        self._condition.wait_for(lambda: self._is_closing, timeout=pause)
                pause = min(2 * pause, _LAST_PAUSE)
            else:
                self._say_back()
                pause = _FIRST_PAUSE
            if is_last:
                break
        self._outbox.release()

    def _send(self) -> None:
        self._outbox.write()
        if self._store is None:
            self._store = self._connect()
        self._passed_over |= send_left(self._outbox.folder.parent, self._store, self._passed_over)
        send_waiting(self._outbox, self._store, self._refused)

    def _say_out(self, error: Exception) -> None:
        if not self._is_out:
            _logger.warning(
                "MLflow cannot be reached (%s): what is to be logged waits in %s and is sent when "
                "it works again",
                error,
                self._outbox.folder.parent,
            )
        self._is_out = True

    def _say_back(self) -> None:
        if self._is_out:
            _logger.info("MLflow works again: what had waited is sent")
        self._is_out = False


def send_left(root: Path, store: TrackingStore, passed_over: set[Path]) -> set[Path]:
    """Send what dead processes have left below ``root``.

    Args:
        root: The folder of outboxes.
        store: Where to.
        passed_over: Outboxes that are not looked at.

    Returns:
        Outboxes from which the store has refused something; they keep it.

    Raises:
        OutageError: If the store does not work.
    """
    kept: set[Path] = set()
    for folder in left_outboxes(root):
        outbox = None if folder in passed_over else Outbox.take_over(folder)
        if outbox is None:
            continue
        refused: set[int] = set()
        try:
            send_waiting(outbox, store, refused)
        finally:
            outbox.release()
        if refused:
            kept.add(folder)
    return kept
