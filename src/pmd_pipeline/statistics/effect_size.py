"""A difference in units of how much it varies from seed to seed."""

import math

import numpy as np
from numpy.typing import ArrayLike


def paired_effect_size(differences: ArrayLike) -> float:
    """Return the standardised mean of paired differences, without the bias of few pairs.

    0.2 is called small, 0.5 medium, 0.8 large; training seeds vary little, so that effects of
    several are common here.

    Args:
        differences: Of seed means, one per training seed, [S]; at least three:
            of two, nothing unbiased can be said.

    Returns:
        Mean over standard deviation, times Hedges' correction
        ``gamma(m / 2) / (sqrt(m / 2) * gamma((m - 1) / 2))`` with ``m = S - 1``. Infinite where all
        differences are equal and not 0.

    Raises:
        ValueError: If there are fewer than three differences, or one is not finite.

    Source: Hedges 1981, equation 6e; d_z of Lakens 2013, equation 6.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or values.size < 3 or not np.isfinite(values).all():
        raise ValueError(
            "an effect size needs finite differences of at least 3 training seeds, [S]; found "
            f"{values.tolist()}"
        )
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    if mean == 0:
        return 0.0
    if values.min() == values.max():
        return math.copysign(math.inf, mean)
    return mean / deviation * _hedges_correction(values.size - 1)


def _hedges_correction(freedom: int) -> float:
    log_ratio = math.lgamma(freedom / 2) - math.lgamma((freedom - 1) / 2)
    return math.exp(log_ratio) / math.sqrt(freedom / 2)
