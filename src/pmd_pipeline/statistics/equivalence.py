"""Whether a difference is too small to matter."""

from pmd_pipeline.statistics.estimates import Estimate


def equivalence_p_value(difference: Estimate, margin: float) -> float:
    """Return the p-value of two one-sided tests (TOST): below 5 %, the two are equivalent.

    It is below 5 % exactly where the 90 % interval lies within ``-margin .. margin``. Where it is
    not, the algorithms may differ: that no difference was found does not make them equivalent.

    Args:
        difference: Of two algorithms.
        margin: The difference from which on it matters; positive, in units of the difference.
            State it before looking.

    Raises:
        ValueError: If the margin is not positive.

    Source: Schuirmann 1987.
    """
    if not margin > 0:
        raise ValueError(f"margin must be above 0, found {margin}")
    return float(difference.error.upper_tail(margin - abs(difference.value)))
