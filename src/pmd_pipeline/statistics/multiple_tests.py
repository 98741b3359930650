"""Several tests at once."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values that may all be read at once, by Holm's step-down correction.

    Where each adjusted p-value below 0.05 counts as a finding, the chance of one or more false
    findings is at most 5 %, whatever depends on what.

    Args:
        p_values: Of all tests of the family.

    Returns:
        Adjusted p-values, in the same order.

    Raises:
        ValueError: If one is not between 0 and 1.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    values = np.asarray(p_values, dtype=np.float64)
    outside = values[~((values >= 0) & (values <= 1))]
    if outside.size > 0:
        raise ValueError(f"p-values must lie between 0 and 1, found {outside[0]}")
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * values[order]))
    return tuple(adjusted.tolist())
