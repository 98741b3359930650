"""What else there is to say of a verdict: whatever limits it."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.claims.results import ClaimResults
from pmd_pipeline.claims.verdicts import words
from pmd_pipeline.claims.verdicts.findings import Needs
from pmd_pipeline.claims.verdicts.records import ArmNumbers, Finding, Outcome
from pmd_pipeline.claims.verdicts.tables import evaluations
from pmd_pipeline.statistics.power import seeds_to_tell
from pmd_pipeline.statistics.sign_flips import sign_flip_test
from pmd_pipeline.statistics.variance import estimate_components

_NEAR_THE_TOP = 0.95
_NEAR_THE_BOTTOM = 0.05
_MOST_PAIRS = 200


def needed(
    findings: Sequence[Finding], table: ArrayLike, *, margin: float, alpha: float, needs: Needs
) -> tuple[str, ...]:
    """Return how many pairs would tell a difference as large as the margin, in a sentence.

    Args:
        findings: Of the claim; where all can be told, nothing is returned.
        table: Paired differences of one of them, [S, P].
        margin: In their units.
        alpha: Level of the tests.
        needs: Whether the claim needs all findings; where any would do, it is Holm's first step,
            ``alpha`` over their number, that the difference must be told at.
    """
    if all(finding.outcome is not Outcome.CANNOT_BE_TOLD for finding in findings):
        return ()
    values = np.asarray(table, dtype=np.float64)
    if min(values.shape) < 2:
        return ()
    num_pairs = seeds_to_tell(
        margin,
        estimate_components(values),
        num_problems=values.shape[1],
        alpha=alpha if needs == "all" else alpha / len(findings),
        at_most=_MOST_PAIRS,
    )
    if num_pairs is None:
        return (
            f"Even {_MOST_PAIRS} pairs would not be likely (80 %) to tell a difference of "
            f"{margin:g} on {values.shape[1]} problems.",
        )
    return (
        f"A difference of {margin:g} would be told with 80 % probability from about {num_pairs} "
        f"pairs on; these are {values.shape[0]}.",
    )


def ceilings(results: ClaimResults, arms: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence on arms that end so high or so low that differences shrink."""
    final = {arm: float(evaluations(results, arm)[-1].mean()) for arm in dict.fromkeys(arms)}
    high = [arm for arm, value in final.items() if value > _NEAR_THE_TOP]
    low = [arm for arm, value in final.items() if value < _NEAR_THE_BOTTOM]
    notes = []
    if high:
        notes.append(
            f"{words.listed(high)} end{'s' * (len(high) == 1)} above {_NEAR_THE_TOP:g}: near the "
            "top, differences shrink."
        )
    if low:
        notes.append(
            f"{words.listed(low)} end{'s' * (len(low) == 1)} below {_NEAR_THE_BOTTOM:g}: at the "
            "bottom, differences shrink."
        )
    return tuple(notes)


def divergences(arms: Iterable[ArmNumbers]) -> tuple[str, ...]:
    """Return a sentence on runs that ended in numbers that are not finite."""
    lost = [f"{numbers.num_diverged} of {numbers.arm}" for numbers in arms if numbers.num_diverged]
    if not lost:
        return ()
    return (
        f"Runs that diverged: {words.listed(lost)}. They count as accuracy 0 from then on, and "
        "their round 1 as far as it was measured.",
    )


def disagreements(
    findings: Iterable[Finding], tables: Mapping[str, ArrayLike], alpha: float
) -> tuple[str, ...]:
    """Return a sentence for each finding that the sign-flip test of pair means does not bear out.

    Args:
        findings: Some of them rest on t distributions.
        tables: By the findings' names, differences of pairs and problems, [S, P].
        alpha: Level.
    """
    notes = []
    for finding in findings:
        if finding.name not in tables or not finding.p_value < alpha:
            continue
        test = sign_flip_test(np.asarray(tables[finding.name]).mean(axis=1))
        # From very few pairs it could never agree.
        if test.smallest_p_value < alpha <= test.p_value:
            notes.append(
                f"{finding.name}: the sign-flip test, which assumes no distribution, has "
                f"p = {words.p_value(test.p_value)} where the t distributions give "
                f"{words.p_value(finding.p_value)}."
            )
    return tuple(notes)
