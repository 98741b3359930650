"""Numbers with their intervals, p-values and what each says: a family of tests at a time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.claims.verdicts.records import Finding, Outcome, Unit
from pmd_pipeline.statistics.equivalence import equivalence_p_value
from pmd_pipeline.statistics.estimates import Covers, Estimate
from pmd_pipeline.statistics.multiple_tests import holm
from pmd_pipeline.statistics.sign_flips import sign_flip_test
from pmd_pipeline.statistics.two_level import two_level_estimate

Wanted = Literal["higher", "lower", "equivalent"]
Says = Literal["higher", "lower", "within the margin", "beyond the margin", "cannot be told"]

_COVERS = {
    Covers.SEEDS_AND_PROBLEMS: "pairs and problems",
    Covers.SEEDS: "pairs, on these problems",
    Covers.SEEDS_ONE_PROBLEM: "pairs, on these problems",
    Covers.PROBLEMS: "problems, of one pair",
    Covers.NOTHING: "nothing",
}
TWO_LEVEL, SIGN_FLIPS = "two-level t", "sign flips"


def covers_words(covers: Covers) -> str:
    """Return what an interval answers for, in the words of claims: their seeds are pairs."""
    return _COVERS[covers]


def difference_findings(
    tables: Mapping[str, ArrayLike],
    *,
    wanted: Wanted,
    alpha: float,
    margin: float,
    unit: Unit = "accuracy",
) -> tuple[Finding, ...]:
    """Return a finding for each table of paired differences, tested as one family.

    Higher is claimed: **holds** where the corrected p-value is below ``alpha`` and the mean above
    0; **does not hold** where it is below 0, or where the corrected equivalence test says that the
    difference is smaller than the margin, be it real or not. Lower: the mirror image. Equivalence
    is claimed: **holds** where that test says so; **does not hold** where the difference is shown
    to be larger than the margin. Otherwise it **cannot be told**.

    Args:
        tables: By what each is, differences of pairs and problems, [S, P].
        wanted: What is claimed of each.
        alpha: Level of the corrected tests.
        margin: The difference from which on one matters.
        unit: Of the differences.

    Raises:
        ValueError: As ``two_level_estimate``.
    """
    estimates = [two_level_estimate(table) for table in tables.values()]
    p_values = [estimate.p_value() for estimate in estimates]
    same = [equivalence_p_value(estimate, margin) for estimate in estimates]
    larger = [_p_beyond(estimate, margin) for estimate in estimates]
    return tuple(
        Finding(
            name=name,
            value=estimate.value,
            low=estimate.interval().low,
            high=estimate.interval().high,
            unit=unit,
            covers=covers_words(estimate.covers),
            test=TWO_LEVEL,
            p_value=raw,
            p_holm=corrected,
            equivalence_p_holm=equal,
            says=(says := _says(estimate.value, corrected, equal, beyond, wanted, alpha)),
            outcome=_outcome(says, wanted),
        )
        for name, estimate, raw, corrected, equal, beyond in zip(
            tables, estimates, p_values, holm(p_values), holm(same), holm(larger), strict=True
        )
    )


def per_pair_findings(
    values: Mapping[str, Sequence[float] | np.ndarray],
    *,
    wanted: Literal["higher", "lower"],
    alpha: float,
    unit: Unit,
) -> tuple[Finding, ...]:
    """Return a finding for each set of one number per pair, tested by sign flips as one family.

    Log-ratios have heavy tails, which a permutation test does not mind; the interval is Student's
    t. Numbers that are not finite are left out: say so where there are any.

    Args:
        values: By what each is, paired differences, [S].
        wanted: The side of 0 that is claimed.
        alpha: Level of the corrected tests.
        unit: Of the differences.
    """
    kept = {name: _finite(numbers) for name, numbers in values.items()}
    raw = [sign_flip_test(v).p_value if v.size else 1.0 for v in kept.values()]
    return tuple(
        _per_pair_finding(name, numbers, p_value, corrected, wanted, alpha, unit)
        for (name, numbers), p_value, corrected in zip(kept.items(), raw, holm(raw), strict=True)
    )


def flatness_finding(
    name: str, slopes: ArrayLike, bounds: ArrayLike, *, alpha: float, unit: Unit
) -> Finding:
    """Return whether slopes lie within bounds of their own on average, by two one-sided tests.

    They are sign flips of ``slope - bound`` and ``slope + bound``. It **holds** where both find
    the slope within; it **does not hold** where one finds it outside.

    Args:
        name: What the slopes are.
        slopes: One per pair, [S].
        bounds: One per pair, [S]; where they are negative on average, nothing lies within.
        alpha: Level.
        unit: Of both.
    """
    values, ends = np.asarray(slopes, dtype=np.float64), np.asarray(bounds, dtype=np.float64)
    known = np.isfinite(values) & np.isfinite(ends)
    if not known.any():
        return nothing_found(name, unit)
    above, below = values[known] - ends[known], values[known] + ends[known]
    inside = max(_p_of_sign(above, -1), _p_of_sign(below, +1))
    outside = min(1.0, 2.0 * min(_p_of_sign(above, +1), _p_of_sign(below, -1)))
    says: Says = "cannot be told"
    if inside < alpha:
        says = "within the margin"
    elif outside < alpha:
        says = "beyond the margin"
    return replace(
        plain_finding(name, values[known], unit),
        test=SIGN_FLIPS,
        equivalence_p_holm=inside,
        says=says,
        outcome=_outcome(says, "equivalent"),
    )


def only_shown(finding: Finding) -> Finding:
    """Return a finding that decides nothing."""
    return replace(finding, outcome=None)


def plain_finding(name: str, numbers: ArrayLike, unit: Unit) -> Finding:
    """Return a mean with its interval over pairs, or over pairs and problems, that decides nothing.

    Args:
        name: What it is.
        numbers: One per pair, [S], or a table of pairs and problems, [S, P].
        unit: Of the numbers.
    """
    array = np.asarray(numbers, dtype=np.float64)
    table = array if array.ndim == 2 else _finite(array)[:, None]
    if table.size == 0:
        return nothing_found(name, unit)
    estimate = two_level_estimate(table)
    interval = estimate.interval()
    return Finding(
        name=name,
        value=estimate.value,
        low=interval.low,
        high=interval.high,
        unit=unit,
        covers=covers_words(estimate.covers),
    )


def nothing_found(name: str, unit: Unit) -> Finding:
    """Return the finding of a number that could not be computed."""
    return Finding(
        name=name, value=math.nan, low=math.nan, high=math.nan, unit=unit, covers="nothing"
    )


def _per_pair_finding(
    name: str,
    numbers: np.ndarray,
    p_value: float,
    corrected: float,
    wanted: Literal["higher", "lower"],
    alpha: float,
    unit: Unit,
) -> Finding:
    if numbers.size == 0:
        return nothing_found(name, unit)
    estimate = two_level_estimate(numbers[:, None])
    interval = estimate.interval()
    says = _side(estimate.value, corrected, alpha)
    return Finding(
        name=name,
        value=estimate.value,
        low=interval.low,
        high=interval.high,
        unit=unit,
        covers=covers_words(estimate.covers),
        test=SIGN_FLIPS,
        p_value=p_value,
        p_holm=corrected,
        says=says,
        outcome=_outcome(says, wanted),
    )


def _says(
    value: float, p_value: float, equal: float, beyond: float, wanted: Wanted, alpha: float
) -> Says:
    if equal < alpha:
        return "within the margin"
    if wanted == "equivalent":
        return "beyond the margin" if beyond < alpha else "cannot be told"
    return _side(value, p_value, alpha)


def _side(value: float, p_value: float, alpha: float) -> Says:
    if p_value >= alpha:
        return "cannot be told"
    return "higher" if value > 0 else "lower"


def _outcome(says: Says, wanted: Wanted) -> Outcome:
    if says == "cannot be told":
        return Outcome.CANNOT_BE_TOLD
    claimed = "within the margin" if wanted == "equivalent" else wanted
    return Outcome.HOLDS if says == claimed else Outcome.DOES_NOT_HOLD


def _p_of_sign(numbers: np.ndarray, sign: int) -> float:
    """Return the one-sided p-value of a mean on that side of 0."""
    two_sided = sign_flip_test(numbers).p_value
    return two_sided / 2 if sign * numbers.mean() > 0 else 1 - two_sided / 2


def _p_beyond(estimate: Estimate, margin: float) -> float:
    """Return the p-value of the difference being no larger than the margin, in its direction."""
    return min(1.0, 2.0 * float(estimate.error.upper_tail(abs(estimate.value) - margin)))


def _finite(numbers: Sequence[float] | np.ndarray) -> np.ndarray:
    array = np.asarray(numbers, dtype=np.float64)
    return np.asarray(array[np.isfinite(array)])
