"""The thread that sends snapshots, so that training never waits for it."""

import logging
import threading
import time
from collections.abc import Callable

from pmd_pipeline.remote import store
from pmd_pipeline.remote.errors import RemoteError
from pmd_pipeline.remote.folder import RemoteFolder
from pmd_pipeline.remote.outbox import Outbox
from pmd_pipeline.remote.snapshot import Snapshot

FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 1.0, 60.0
"""Between two tries while the address does not answer: doubled from the first to the last."""

_logger = logging.getLogger(__name__)


class Sender:
    """Sends what waits in an outbox, then each newer snapshot.

    Args:
        outbox: Of this process's data folder.
        folder: Where to.
        is_out: Whether it is known not to answer, and has been said so.
    """

    def __init__(self, outbox: Outbox, folder: RemoteFolder, *, is_out: bool = False) -> None:
        self._outbox = outbox
        self._folder = folder
        self._condition = threading.Condition()
        self._has_news = True
        self._is_closing = False
        self._is_out = is_out
        self._last_progress = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="remote-sender", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Send soon: there is a new snapshot."""
        with self._condition:
            self._has_news = True
            self._condition.notify_all()

    def close(self, patience_seconds: float) -> None:
        """Return when all is sent, or nothing has arrived for a while.

        Args:
            patience_seconds: How long to wait without any progress. An address that is known not
                to answer is tried once more.
        """
        self._note_progress()
        with self._condition:
            self._is_closing = True
            self._condition.notify_all()
        while self._thread.is_alive():
            self._thread.join(0.05)
            if time.monotonic() - self._last_progress > patience_seconds:
                return

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            with self._condition:
                while not self._has_news and not self._is_closing:
                    self._condition.wait()
                self._has_news = False
                is_last = self._is_closing
            try:
                send_waiting(self._outbox, self._folder, self._note_progress)
            except RemoteError as error:
                _logger.warning("%s. The run goes on; what it makes stays here alone", error)
                return
            except Exception as error:
                # Whatever it is, the thread must go on: another try may find it gone.
                self._say_out(error)
                with self._condition:
                    self._has_news = True
                    if not self._is_closing:
                        self._condition.wait_for(lambda: self._is_closing, timeout=pause)
                pause = min(2 * pause, LAST_PAUSE_SECONDS)
            else:
                self._say_back()
                pause = FIRST_PAUSE_SECONDS
            if is_last:
                return

    def _note_progress(self) -> None:
        self._last_progress = time.monotonic()

    def _say_out(self, error: Exception) -> None:
        if not self._is_out:
            _logger.warning(
                "%s: the results wait in %s and are sent when it works again",
                error,
                self._outbox.folder,
            )
        self._is_out = True

    def _say_back(self) -> None:
        if self._is_out:
            _logger.info("%s works again: what had waited is sent", self._folder.address)
        self._is_out = False


def send_waiting(outbox: Outbox, folder: RemoteFolder, progress: Callable[[], None]) -> bool:
    """Send what waits, until nothing does; return False if nothing did.

    Args:
        outbox: What waits.
        folder: Where to.
        progress: Called whenever a part has arrived.

    Raises:
        RemoteError: If it is not taken, or another data folder has gone on there.
        RemoteOutageError: If the address does not answer.
    """
    has_sent = False
    while (staged := outbox.take()) is not None:
        is_sent = False
        try:
            refuse_others(outbox, folder, store.latest(folder))
            store.send(folder, staged.snapshot, staged.local(), progress)
            is_sent = has_sent = True
        finally:
            outbox.give_back(staged, is_sent=is_sent)
    return has_sent


def refuse_others(outbox: Outbox, folder: RemoteFolder, there: Snapshot | None) -> None:
    """Raise RemoteError if what is at the address is not what this data folder has put there."""
    if there is not None and not outbox.knows(there):
        raise RemoteError(
            f"{folder.address} has results that {outbox.folder.parent} does not have: {there}. "
            "To go on from those, move that data folder away and run again with "
            "--only-missing-outputs; to keep both, give this run another storage.remote_root; to "
            "replace them there, start anew with --overwrite"
        )
