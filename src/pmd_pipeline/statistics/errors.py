"""The error of a mean over training seeds and problems, and the t distributions it has.

A squared error has a part of seeds, known from few of them, and a part of problems, known from
many. The mean over its standard error is taken to be distributed as Student's t of S - 1 degrees of
freedom with the weight of the seeds' share, and of P - 1 with the other weight.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from pmd_pipeline.statistics.scores import FloatArray

_NUM_BISECTIONS = 60  # to the last bit


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanError:
    """The error of one mean, or of many.

    Attributes:
        standard_error: In units of the mean; infinite where nothing is known of it.
        seed_share: Part of the squared error that seeds are answerable for, 0 to 1.
        seed_freedom: Degrees of freedom of that part.
        problem_freedom: Of the other part.
    """

    standard_error: FloatArray | float
    seed_share: FloatArray | float
    seed_freedom: float
    problem_freedom: float

    def upper_tail(self, excess: FloatArray | float) -> FloatArray:
        """Return the chance that a mean exceeds the true one by ``excess`` or more."""
        off, error = np.asarray(excess, dtype=np.float64), np.asarray(self.standard_error)
        with np.errstate(invalid="ignore", divide="ignore"):
            scaled = np.where(error > 0, off / error, math.inf * off)
        # No excess beside no error.
        return self._tail(np.where(np.isnan(scaled), 0.0, scaled))

    def half_width(self, level: float) -> FloatArray:
        """Return half the width of the two-sided interval.

        Raises:
            ValueError: If ``level`` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, found {level}")
        error = np.asarray(self.standard_error)
        with np.errstate(invalid="ignore"):
            return np.where(error > 0, error * self.critical_value(1 - level), 0.0)

    def critical_value(self, alpha: float) -> FloatArray:
        """Return how many standard errors from 0 a mean has the two-sided p-value ``alpha``."""
        ends = special.stdtrit([self.seed_freedom, self.problem_freedom], 1 - alpha / 2)
        shape = np.shape(self.seed_share)
        low, high = np.full(shape, ends.min()), np.full(shape, ends.max())
        for _ in range(_NUM_BISECTIONS):
            middle = (low + high) / 2
            too_low = self._tail(middle) > alpha / 2
            low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
        return high

    def chance_beyond(self, scaled: FloatArray | float, shift: float) -> FloatArray:
        """Return the chance of a mean further from 0 than ``scaled``, on either side.

        Args:
            scaled: In standard errors, positive.
            shift: The true mean in standard errors, at least 0.
        """
        share, ends = np.asarray(self.seed_share), np.asarray(scaled)

        def lower_tail(end: FloatArray) -> FloatArray:
            # scipy has NaN for some chances that are 0 to the last bit, and for some that are 1:
            # so of the far side the lower tail is taken, not what the upper one leaves.
            of_seeds, of_problems = (
                np.nan_to_num(special.nctdtr(freedom, shift, end), nan=0.0)
                for freedom in (self.seed_freedom, self.problem_freedom)
            )
            return np.asarray(share * of_seeds + (1 - share) * of_problems)

        return np.asarray(1 - lower_tail(ends) + lower_tail(-ends))

    def _tail(self, scaled: FloatArray) -> FloatArray:
        share = np.asarray(self.seed_share)
        of_seeds = special.stdtr(self.seed_freedom, -scaled)
        of_problems = special.stdtr(self.problem_freedom, -scaled)
        return np.asarray(share * of_seeds + (1 - share) * of_problems)
