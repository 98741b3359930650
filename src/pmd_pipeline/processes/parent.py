"""A process that ends when the one that started it has ended, however that came about."""

import os
import threading
import time
from collections.abc import Callable

_SECONDS_BETWEEN_LOOKS = 0.5


def end_with_parent(end: Callable[[], object]) -> None:
    """Call ``end`` in a thread of its own once this process's parent is gone.

    Args:
        end: Ends this process at once; the main thread may be waiting for something for ever.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        end()

    threading.Thread(target=watch, daemon=True).start()
