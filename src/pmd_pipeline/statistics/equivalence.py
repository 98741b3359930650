"""Whether a difference is too small to matter."""

from pmd_pipeline.statistics.estimates import Estimate


def equivalence_p_value(difference: Estimate, margin: float, *, largest: float = 1.0) -> float:
    """Return the p-value of two one-sided tests (TOST): below 5 %, the two are equivalent.

    It is below 5 % exactly where the 90 % interval lies within ``-margin .. margin``. Where it is
    not, the algorithms may differ: that no difference was found does not make them equivalent.

    Where all seeds and problems have the same difference, no error can be estimated, but a margin
    may still hide in problems that were not drawn: of a kind whose differences are at most
    ``largest``, a share of ``margin / largest`` must differ to reach it, and the p-value is the
    chance that none of them is among these problems.

    Args:
        difference: Of two algorithms.
        margin: The difference from which on it matters; positive, in units of the difference.
            State it before looking.
        largest: The largest difference of a problem that there can be; infinite if unknown.

    Raises:
        ValueError: If the margin is not positive.

    Source: Schuirmann 1987.
    """
    if not margin > 0:
        raise ValueError(f"margin must be above 0, found {margin}")
    room = margin - abs(difference.value)
    if difference.error.standard_error == 0 and room > 0:
        num_problems = difference.error.problem_freedom + 1
        return float((1 - min(room / largest, 1.0)) ** num_problems)
    return float(difference.error.upper_tail(room))
