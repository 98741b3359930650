"""The thread that sends what is in the outbox to the store."""

import logging
from collections.abc import Callable
from pathlib import Path

from pmd_pipeline.sending_thread import SendingThread
from pmd_pipeline.tracking.errors import sorted_error
from pmd_pipeline.tracking.outbox import Outbox, left_outboxes
from pmd_pipeline.tracking.sending import send_waiting
from pmd_pipeline.tracking.store import TrackingStore

_LAST_PAUSE_SECONDS = 30.0

_logger = logging.getLogger(__name__)


class Sender(SendingThread):
    """Sends one process's records, after those that dead processes have left.

    Args:
        outbox: Of this process. Released when the thread ends.
        store: Where to; None if it has not answered so far, which has been said.
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
        self._refused: set[int] = set()
        self._passed_over: set[Path] = set()
        super().__init__(
            "mlflow-sender", last_pause_seconds=_LAST_PAUSE_SECONDS, is_out=store is None
        )

    def _send(self) -> bool:
        self._outbox.write()
        if self._store is None:
            self._store = self._connect()
        self._passed_over |= send_left(
            self._outbox.folder.parent, self._store, self._passed_over, self._note_progress
        )
        send_waiting(self._outbox, self._store, self._refused, self._note_progress)
        return True

    def _say_out(self, error: Exception) -> None:
        _logger.warning(
            "MLflow cannot be reached (%s): what is to be logged waits in %s and is sent when it "
            "works again",
            sorted_error(error),
            self._outbox.folder.parent,
        )

    def _say_back(self) -> None:
        _logger.info("MLflow works again: what had waited is sent")

    def _end(self) -> None:
        self._outbox.release()


def send_left(
    root: Path,
    store: TrackingStore,
    passed_over: set[Path],
    progress: Callable[[], None] = lambda: None,
) -> set[Path]:
    """Send what dead processes have left below ``root``.

    Args:
        root: The folder of outboxes.
        store: Where to.
        passed_over: Outboxes that are not looked at.
        progress: Called whenever a record has arrived.

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
            send_waiting(outbox, store, refused, progress)
        finally:
            outbox.release()
        if refused:
            kept.add(folder)
    return kept
