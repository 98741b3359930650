"""Progress where nothing can be drawn: a line in the log once a minute."""

import logging
import time
from collections.abc import Callable

from pmd_pipeline.wording import brief_time

_EVERY_SECONDS = 60.0

_logger = logging.getLogger(__name__)


class Lines:
    """Says once a minute how much of something is done, and nothing of what is done sooner.

    Args:
        description: What goes on.
        total: How many units there are.
        unit: What is counted, in the plural.
        clock: Seconds.
    """

    def __init__(
        self,
        description: str,
        total: int,
        unit: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._description = description
        self._total = total
        self._unit = unit
        self._clock = clock
        self._done = 0.0
        self._began = self._told = clock()

    def update(self, n: float = 1) -> None:
        """Note that ``n`` more units are done."""
        self._done += n
        now = self._clock()
        if now - self._told < _EVERY_SECONDS or self._done >= self._total:
            return
        self._told = now
        left = (now - self._began) / self._done * (self._total - self._done)
        _logger.info(
            "%s: %s of %s %s, %s left",
            self._description,
            f"{self._done:,.0f}",
            f"{self._total:,}",
            self._unit,
            brief_time(left),
        )
