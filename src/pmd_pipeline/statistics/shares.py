"""How often something happened, with an interval that few trials deserve."""

from scipy import special

from pmd_pipeline.statistics.interval import Interval


def exact_share(num_hits: int, num_trials: int, *, level: float = 0.95) -> Interval:
    """Return the share of hits with the exact interval, which covers at least ``level``.

    Args:
        num_hits: Trials that hit.
        num_trials: All of them; at least one.
        level: Of the two-sided interval.

    Raises:
        ValueError: If the counts do not fit, or ``level`` is not between 0 and 1.

    Source: Clopper & Pearson 1934.
    """
    if not 0 <= num_hits <= num_trials or num_trials == 0:
        raise ValueError(f"a share needs 0 <= hits <= trials, found {num_hits} of {num_trials}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, found {level}")
    tail = (1 - level) / 2
    num_misses = num_trials - num_hits
    low = float(special.betaincinv(num_hits, num_misses + 1, tail)) if num_hits else 0.0
    high = float(special.betaincinv(num_hits + 1, num_misses, 1 - tail)) if num_misses else 1.0
    return Interval(num_hits / num_trials, low, high)
