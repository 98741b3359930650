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
Needs = Literal["all", "any"]
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
    needs: Needs,
    alpha: float,
    margin: float,
) -> tuple[Finding, ...]:
    """Return a finding for each table of paired differences of accuracies, tested as one family.

    Higher is claimed: **holds** where the p-value is below ``alpha`` and the mean above 0; **does
    not hold** where it is below 0, or where the equivalence test says that the difference is
    smaller than the margin, be it real or not. Lower: the mirror image. Equivalence is claimed:
    **holds** where that test says so; **does not hold** where the difference is shown to be larger
    than the margin. Otherwise it **cannot be told**.

    P-values are corrected by Holm, but for those of what is claimed where all tests must find it:
    that each does by chance is no likelier than that one does.

    Args:
        tables: By what each is, differences of pairs and problems, [S, P].
        wanted: What is claimed of each.
        needs: Whether the claim needs all of them or any.
        alpha: Level of the tests.
        margin: The difference from which on one matters.

    Raises:
        ValueError: As ``two_level_estimate``.
    """
    estimates = [two_level_estimate(table) for table in tables.values()]
    raw = [estimate.p_value() for estimate in estimates]
    same = [equivalence_p_value(estimate, margin) for estimate in estimates]
    beyond = holm([_p_beyond(estimate, margin) for estimate in estimates])
    corrected, same_corrected = holm(raw), holm(same)
    findings = []
    for i, (name, estimate) in enumerate(zip(tables, estimates, strict=True)):
        says: Says
        if wanted == "equivalent":
            deciding = _deciding(same[i], same_corrected[i], needs)
            says = "cannot be told"
            if deciding < alpha:
                says = "within the margin"
            elif beyond[i] < alpha:
                says = "beyond the margin"
        else:
            deciding = _deciding(raw[i], corrected[i], needs)
            says = "within the margin"
            if same_corrected[i] >= alpha:
                says = _side(estimate.value, deciding, corrected[i], wanted, alpha)
        findings.append(
            replace(
                _of_estimate(name, estimate, "accuracy"),
                test=TWO_LEVEL,
                p_value=raw[i],
                p_holm=corrected[i],
                equivalence_p_holm=same_corrected[i],
                deciding_p=deciding,
                says=says,
                outcome=_outcome(says, wanted),
            )
        )
    return tuple(findings)


def per_pair_findings(
    values: Mapping[str, Sequence[float] | np.ndarray],
    *,
    wanted: Literal["higher", "lower"],
    alpha: float,
    unit: Unit,
) -> tuple[Finding, ...]:
    """Return a finding for each set of one number per pair, tested by sign flips as one family.

    The claim needs all of them. Log-ratios have heavy tails, which a permutation test does not
    mind; the interval is Student's t. Numbers that are not finite are left out: say so where there
    are any.

    Args:
        values: By what each is, paired differences, [S].
        wanted: The side of 0 that is claimed.
        alpha: Level of the tests.
        unit: Of the differences.
    """
    kept = {name: _finite(numbers) for name, numbers in values.items()}
    raw = [sign_flip_test(numbers).p_value if numbers.size else 1.0 for numbers in kept.values()]
    findings = []
    for (name, numbers), p_value, corrected in zip(kept.items(), raw, holm(raw), strict=True):
        if not numbers.size:
            found = _open(nothing_found(name, unit))
        else:
            found = plain_finding(name, numbers, unit)
            says = _side(found.value, p_value, corrected, wanted, alpha)
            found = replace(
                found,
                test=SIGN_FLIPS,
                p_value=p_value,
                p_holm=corrected,
                deciding_p=p_value,
                says=says,
                outcome=_outcome(says, wanted),
            )
        findings.append(found)
    return tuple(findings)


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
        return _open(nothing_found(name, unit))
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
        deciding_p=inside,
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
        numbers: One per pair, [S], of which those that are not finite are left out; or a table of
            pairs and problems, [S, P].
        unit: Of the numbers.
    """
    array = np.asarray(numbers, dtype=np.float64)
    table = array if array.ndim == 2 else _finite(array)[:, None]
    if table.size == 0:
        return nothing_found(name, unit)
    return _of_estimate(name, two_level_estimate(table), unit)


def nothing_found(name: str, unit: Unit) -> Finding:
    """Return the finding of a number that could not be computed."""
    return Finding(
        name=name, value=math.nan, low=math.nan, high=math.nan, unit=unit, covers="nothing"
    )


def _open(finding: Finding) -> Finding:
    return replace(finding, says="cannot be told", outcome=Outcome.CANNOT_BE_TOLD)


def _of_estimate(name: str, estimate: Estimate, unit: Unit) -> Finding:
    interval = estimate.interval()
    return Finding(
        name=name,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        unit=unit,
        covers=covers_words(estimate.covers),
    )


def _deciding(raw: float, corrected: float, needs: Needs) -> float:
    return raw if needs == "all" else corrected


def _side(value: float, p_claimed: float, p_contrary: float, wanted: Wanted, alpha: float) -> Says:
    is_claimed = (value > 0) == (wanted == "higher")
    if (p_claimed if is_claimed else p_contrary) >= alpha:
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
