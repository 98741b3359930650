"""How many training seeds or problems would tell a difference."""

from bisect import bisect_left
from collections.abc import Callable

from pmd_pipeline.statistics.errors import MeanError
from pmd_pipeline.statistics.two_level import error_of
from pmd_pipeline.statistics.variance import VarianceComponents

_NUM_BISECTIONS = 40  # to a relative 1e-12


def power_to_tell(
    difference: float,
    components: VarianceComponents,
    *,
    num_seeds: int,
    num_problems: int,
    alpha: float = 0.05,
) -> float:
    """Return the chance that a true difference is found to be one.

    Args:
        difference: True mean difference of two algorithms; its sign does not matter.
        components: Of the paired differences, as ``estimate_components`` gives them: of the
            differences of these two algorithms, or of two like them.
        num_seeds: Training seeds of either algorithm, at least 2.
        num_problems: Evaluation problems, at least 2.
        alpha: Two-sided level of the test; divide it by the number of pairs for Holm's worst case.

    Returns:
        Power of the two-sided t test of ``two_level_estimate``.

    Raises:
        ValueError: If a count is below 2 or ``alpha`` out of range.

    Source: noncentral t distributions, as in Cohen 1988, chapter 2, weighted as in ``errors``.
    """
    _check_share("alpha", alpha)
    planned = _planned_error(components, num_seeds, num_problems)
    error = float(planned.standard_error)
    if error == 0:
        return float(difference != 0)
    return float(planned.chance_beyond(planned.critical_value(alpha), abs(difference) / error))


def seeds_to_tell(
    difference: float,
    components: VarianceComponents,
    *,
    num_problems: int,
    power: float = 0.8,
    alpha: float = 0.05,
    at_most: int = 1000,
) -> int | None:
    """Return the least number of training seeds with which a difference is likely to be told.

    Args:
        difference: As for ``power_to_tell``.
        components: As there.
        num_problems: As there.
        power: Wanted chance to find the difference.
        alpha: As for ``power_to_tell``.
        at_most: Where to stop looking.

    Returns:
        At least 2. None if so many do not suffice, as where these problems are too few for any
        number of seeds.

    Raises:
        ValueError: As ``power_to_tell``.
    """
    _check_share("power", power)
    return _least(
        lambda count: power_to_tell(
            difference, components, num_seeds=count, num_problems=num_problems, alpha=alpha
        ),
        power,
        at_most,
    )


def problems_to_tell(
    difference: float,
    components: VarianceComponents,
    *,
    num_seeds: int,
    power: float = 0.8,
    alpha: float = 0.05,
    at_most: int = 1_000_000,
) -> int | None:
    """Return the least number of problems with which a difference is likely to be told.

    Args and errors as for ``seeds_to_tell``.

    Returns:
        At least 2. None if so many do not suffice, as where these seeds are too few for any number
        of problems.
    """
    _check_share("power", power)
    return _least(
        lambda count: power_to_tell(
            difference, components, num_seeds=num_seeds, num_problems=count, alpha=alpha
        ),
        power,
        at_most,
    )


def difference_told(
    components: VarianceComponents,
    *,
    num_seeds: int,
    num_problems: int,
    power: float = 0.8,
    alpha: float = 0.05,
) -> float:
    """Return the least true difference that is likely to be told with so many seeds and problems.

    Args and errors as for ``power_to_tell`` and ``seeds_to_tell``.
    """
    _check_share("power", power)
    _check_share("alpha", alpha)
    if power <= alpha:
        raise ValueError(f"power must be above alpha, {alpha}, found {power}")
    planned = _planned_error(components, num_seeds, num_problems)
    error, critical = float(planned.standard_error), planned.critical_value(alpha)

    def power_at(num_errors: float) -> float:
        return float(planned.chance_beyond(critical, num_errors))

    low, high = 0.0, 1.0
    while error > 0 and power_at(high) < power:
        high *= 2
    for _ in range(_NUM_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if power_at(middle) < power else (low, middle)
    return high * error


def _planned_error(components: VarianceComponents, num_seeds: int, num_problems: int) -> MeanError:
    """Return the error that a mean over so many seeds and problems would have."""
    if num_seeds < 2 or num_problems < 2:
        raise ValueError(
            "power needs at least 2 training seeds and 2 problems, found "
            f"{num_seeds} and {num_problems}"
        )
    return error_of(
        components.rest + num_problems * components.seed,
        num_seeds * components.problem,
        num_seeds,
        num_problems,
    )


def _least(power_with: Callable[[int], float], wanted: float, at_most: int) -> int | None:
    """Return the least count of at least 2 with the wanted power.

    By doubling first: beyond its rise, power falls a little where ever more problems leave the
    seeds a larger share of the error.
    """
    below, count = 1, 2
    while power_with(count) < wanted:
        if count >= at_most:
            return None
        below, count = count, min(2 * count, at_most)
    between = range(below + 1, count + 1)
    return between[bisect_left(between, wanted, key=power_with)]


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, found {value}")
