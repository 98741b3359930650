"""All pairs of algorithms compared: which is better, by how much, and how sure that is."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from pmd_pipeline.statistics.aggregates import probability_of_improvement
from pmd_pipeline.statistics.collapses import CollapseComparison, compare_collapses
from pmd_pipeline.statistics.effect_size import paired_effect_size
from pmd_pipeline.statistics.equivalence import equivalence_p_value
from pmd_pipeline.statistics.estimates import Estimate
from pmd_pipeline.statistics.multiple_tests import holm
from pmd_pipeline.statistics.scores import (
    FloatArray,
    checked_scores,
    of_shared_seeds,
    paired_differences,
)
from pmd_pipeline.statistics.sign_flips import SignFlipTest, sign_flip_test
from pmd_pipeline.statistics.two_level import seeds_estimate, two_level_estimate
from pmd_pipeline.statistics.variance import VarianceComponents, estimate_components

_T = TypeVar("_T")


class Verdict(StrEnum):
    """What can be said of the first algorithm of a pair beside the second."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    CANNOT_BE_TOLD = "cannot be told"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedP:
    """A p-value of one pair, and the same corrected by Holm for the number of pairs."""

    raw: float
    holm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairComparison:
    """One algorithm beside another, on the same training seeds and problems.

    Attributes:
        first: The algorithm that the verdict speaks of.
        second: The one that it is compared with.
        num_seeds: Training seeds of both.
        difference: Mean score of the first minus that of the second, over seeds and problems.
        difference_on_these_problems: The same over seeds alone; None with one seed.
        p_value: Of no difference; answers for what ``difference.covers`` names.
        sign_flips: The permutation test of seed means; of problems' differences with one seed.
        sign_flip_p_value: Its p-value, and corrected.
        equivalence_p_value: Of the difference being as large as the margin or larger.
        effect_size: Difference over its standard deviation between seeds; None below 3 seeds.
        improvement: Probability that a run of the first scores above one of the second.
        collapses: How many runs ended below the initial policy; None where that is not known.
        components: Of the paired differences, for ``power``; None with one seed or one problem.
        verdict: From the corrected p-values.
    """

    first: str
    second: str
    num_seeds: int
    difference: Estimate
    difference_on_these_problems: Estimate | None
    p_value: CorrectedP
    sign_flips: SignFlipTest
    sign_flip_p_value: CorrectedP
    equivalence_p_value: CorrectedP
    effect_size: float | None
    improvement: Estimate
    collapses: CollapseComparison | None
    components: VarianceComponents | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Every algorithm's mean score, and every pair.

    Attributes:
        means: By algorithm.
        pairs: Each pair once, in the order of the algorithms.
        margin: The difference from which on one matters.
        alpha: Level of the verdicts: at most so likely is any one false "better" or "worse".
    """

    means: Mapping[str, Estimate]
    pairs: tuple[PairComparison, ...]
    margin: float
    alpha: float


def compare_algorithms(
    scores: Mapping[str, ArrayLike],
    *,
    margin: float,
    alpha: float = 0.05,
    initial: ArrayLike | None = None,
    seeds: Mapping[str, Sequence[int]] | None = None,
    lowest: float = -math.inf,
    highest: float = math.inf,
    seed: int = 0,
) -> Comparison:
    """Return each algorithm's mean score and every pair compared.

    A pair is **equivalent** where the corrected equivalence test says so, even if a difference is
    real: it is then smaller than what matters. Otherwise the first is **better** or **worse** where
    the corrected p-value is below ``alpha``. Otherwise it **cannot be told**.

    Args:
        scores: By algorithm, final scores of the same training seeds and problems, [S, P].
        margin: The difference from which on one matters, in units of the scores; stated before
            looking.
        alpha: Level of tests.
        initial: The initial policy's scores, [P]: a run whose mean is below theirs has collapsed.
        seeds: By algorithm, the training seed of each row, where not all were trained with the same
            ones: a pair is compared on the seeds of both.
        lowest: The least score that there can be: 0 for accuracies.
        highest: The greatest: 1 for accuracies.
        seed: Of drawn sign flips.

    Raises:
        ValueError: If there are fewer than two algorithms, shapes differ, two have no seed in
            common, a value is not finite, the margin is not positive or ``alpha`` is out of range.

    Source: docs/statistics.md.
    """
    if len(scores) < 2:
        raise ValueError(f"a comparison needs at least 2 algorithms, found {list(scores)}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, found {alpha}")
    tables = {name: checked_scores(table, name) for name, table in scores.items()}
    names = list(combinations(tables, 2))
    shared = [_of_shared_seeds(tables, seeds, pair) for pair in names]
    differences = [
        paired_differences(*both, pair) for both, pair in zip(shared, names, strict=True)
    ]
    estimates = [two_level_estimate(difference) for difference in differences]
    flips = [sign_flip_test(_units(difference), seed=seed) for difference in differences]
    p_values = _corrected([estimate.p_value() for estimate in estimates])
    flip_p_values = _corrected([test.p_value for test in flips])
    equivalences = _corrected(
        [equivalence_p_value(estimate, margin, largest=highest - lowest) for estimate in estimates]
    )
    pairs = tuple(
        PairComparison(
            first=a,
            second=b,
            num_seeds=len(differences[i]),
            difference=estimates[i],
            difference_on_these_problems=_with(2, 1, differences[i], seeds_estimate),
            p_value=p_values[i],
            sign_flips=flips[i],
            sign_flip_p_value=flip_p_values[i],
            equivalence_p_value=equivalences[i],
            effect_size=_with(3, 1, differences[i], lambda d: paired_effect_size(d.mean(axis=1))),
            improvement=probability_of_improvement(*shared[i]),
            collapses=_collapses(*(_collapsed(table, initial) for table in shared[i])),
            components=_with(2, 2, differences[i], estimate_components),
            verdict=_verdict(estimates[i].value, p_values[i], equivalences[i], alpha),
        )
        for i, (a, b) in enumerate(names)
    )
    means = {
        name: two_level_estimate(table, lowest=lowest, highest=highest)
        for name, table in tables.items()
    }
    return Comparison(means=means, pairs=pairs, margin=margin, alpha=alpha)


def _of_shared_seeds(
    tables: Mapping[str, FloatArray],
    seeds: Mapping[str, Sequence[int]] | None,
    pair: tuple[str, str],
) -> tuple[FloatArray, FloatArray]:
    """Return the rows of the training seeds that both algorithms have, in one order."""
    first, second = (tables[name] for name in pair)
    if seeds is None:
        return first, second
    return of_shared_seeds(first, second, (seeds[pair[0]], seeds[pair[1]]), pair)


def _verdict(
    difference: float, p_value: CorrectedP, equivalence: CorrectedP, alpha: float
) -> Verdict:
    if equivalence.holm < alpha:
        return Verdict.EQUIVALENT
    if p_value.holm < alpha:
        return Verdict.BETTER if difference > 0 else Verdict.WORSE
    return Verdict.CANNOT_BE_TOLD


def _corrected(p_values: Sequence[float]) -> list[CorrectedP]:
    return [
        CorrectedP(raw=raw, holm=adjusted)
        for raw, adjusted in zip(p_values, holm(p_values), strict=True)
    ]


def _units(difference: FloatArray) -> FloatArray:
    """Return what is exchanged between two algorithms: seeds; problems where there is one seed."""
    return np.asarray(difference.mean(axis=1) if len(difference) > 1 else difference[0])


def _with(
    num_seeds: int, num_problems: int, table: FloatArray, function: Callable[[FloatArray], _T]
) -> _T | None:
    """Return the function's value, or None where there are fewer seeds or problems."""
    enough = table.shape[0] >= num_seeds and table.shape[1] >= num_problems
    return function(table) if enough else None


def _collapsed(table: FloatArray, initial: ArrayLike | None) -> FloatArray | None:
    if initial is None:
        return None
    start = np.asarray(initial, dtype=np.float64)
    if start.shape != table.shape[1:]:
        raise ValueError(
            f"initial must hold one score per problem, [{table.shape[1]}]; found shape "
            f"{start.shape}"
        )
    return np.asarray(table.mean(axis=1) < start.mean())


def _collapses(first: ArrayLike | None, second: ArrayLike | None) -> CollapseComparison | None:
    if first is None or second is None:
        return None
    return compare_collapses(first, second)
