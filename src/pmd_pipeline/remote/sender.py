"""The thread that sends snapshots."""

import logging
from collections.abc import Callable

from pmd_pipeline.remote import store
from pmd_pipeline.remote.errors import RemoteError
from pmd_pipeline.remote.folder import RemoteFolder
from pmd_pipeline.remote.outbox import Outbox
from pmd_pipeline.remote.snapshot import Snapshot
from pmd_pipeline.sending_thread import SendingThread

_LAST_PAUSE_SECONDS = 60.0

_logger = logging.getLogger(__name__)


class Sender(SendingThread):
    """Sends what waits in an outbox, then each newer snapshot.

    Args:
        outbox: Of this process's data folder.
        folder: Where to.
        is_out: Whether it is known not to answer, and has been said so.
    """

    def __init__(self, outbox: Outbox, folder: RemoteFolder, *, is_out: bool = False) -> None:
        self._outbox = outbox
        self._folder = folder
        super().__init__("remote-sender", last_pause_seconds=_LAST_PAUSE_SECONDS, is_out=is_out)

    def _send(self) -> bool:
        try:
            send_waiting(self._outbox, self._folder, self._note_progress)
        except RemoteError as error:
            _logger.warning("%s. The run goes on; what it makes stays here alone", error)
            return False
        return True

    def _say_out(self, error: Exception) -> None:
        _logger.warning(
            "%s: the results wait in %s and are sent when it works again",
            error,
            self._outbox.folder,
        )

    def _say_back(self) -> None:
        _logger.info("%s works again: what had waited is sent", self._folder.address)


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
