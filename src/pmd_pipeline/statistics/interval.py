"""A value and its interval."""

from typing import NamedTuple


class Interval(NamedTuple):
    """A value and its confidence interval.

    Attributes:
        value: The estimate.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float
