"""A number, how far it may be off, and what that covers."""

import math
from dataclasses import dataclass
from enum import StrEnum

from pmd_pipeline.statistics.errors import MeanError
from pmd_pipeline.statistics.interval import Interval


class Covers(StrEnum):
    """What an interval answers for: what else could have been drawn."""

    SEEDS_AND_PROBLEMS = "seeds and problems"
    SEEDS = "seeds alone, on these problems"
    SEEDS_ONE_PROBLEM = "seeds alone, on one problem"
    PROBLEMS = "problems alone, of one seed"
    NOTHING = "nothing: one seed, one problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An estimated mean with its error.

    Attributes:
        value: The estimate.
        error: Its standard error and the distribution of that.
        covers: What the interval and the p-value answer for.
        lowest: The least value that there can be: intervals end there.
        highest: The greatest.
    """

    value: float
    error: MeanError
    covers: Covers
    lowest: float = -math.inf
    highest: float = math.inf

    def interval(self, level: float = 0.95) -> Interval:
        """Return the two-sided t interval.

        Raises:
            ValueError: If ``level`` is not between 0 and 1.
        """
        width = float(self.error.half_width(level))
        return Interval(
            self.value, max(self.lowest, self.value - width), min(self.highest, self.value + width)
        )

    def p_value(self, against: float = 0.0) -> float:
        """Return the two-sided p-value of the true value being ``against``."""
        return 2.0 * float(self.error.upper_tail(abs(self.value - against)))
