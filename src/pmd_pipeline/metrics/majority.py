"""maj@k: how often the answer given most often is right."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pmd_pipeline.metrics.estimators import check_k

Floats = NDArray[np.float64]


def majority_at_k(
    answers: Sequence[Hashable | None], correct: Sequence[bool | float], k: int
) -> float:
    """Return the exact expected correctness of a majority vote among k of the n samples.

    The k samples are drawn without replacement; ties are split uniformly among the tied answers.
    A sample without an answer (None) is drawn like any other but does not vote; if none of the
    k votes, nothing is elected and the vote is wrong. An answer is worth the mean correctness of
    the samples that give it.

    Args:
        answers: What each sample votes for, n of them; None where it has no answer.
        correct: Whether each sample is right, n of them.
        k: How many are drawn.

    Returns:
        A probability, float64, exact up to rounding (errors below 1e-12).

    Raises:
        ValueError: If the lengths differ, ``correct`` leaves 0..1, or not ``1 <= k <= n``.

    The k samples drawn without replacement are distributed as independent ones, each kept with
    probability k/n, given that k are kept. So the joint distribution of the votes is a product
    over the answers, and a sum over the winning count v, the number of tied answers and the number
    kept takes time of about n^2 k log n where enumeration takes C(n, k).
    """
    candidates, num_silent = _count_votes(answers, correct)
    n = len(answers)
    check_k(n, k)
    if not candidates:
        return 0.0
    if k == n:
        top = max(candidate.num_votes for candidate in candidates)
        winners = [c.score for c in candidates if c.num_votes == top]
        return float(np.mean(winners))
    kept = [_binomials(c.num_votes, k / n, k) for c in candidates]
    num_kept = _binomials(n, k / n, k)[k]
    top = min(k, max(candidate.num_votes for candidate in candidates))
    expected = sum(
        _won_with(votes, candidates, kept, _Draw(n, num_silent, k)) for votes in range(1, top + 1)
    )
    return min(float(expected / num_kept), 1.0)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An answer, by its votes among all samples and what it is worth."""

    num_votes: int
    score: float


@dataclass(frozen=True, slots=True)
class _Draw:
    """k of n samples are drawn; ``num_silent`` of the n do not vote."""

    n: int
    num_silent: int
    k: int


def _count_votes(
    answers: Sequence[Hashable | None], correct: Sequence[bool | float]
) -> tuple[list[_Candidate], int]:
    if len(answers) != len(correct):
        raise ValueError(f"{len(answers)} answers but {len(correct)} marks: give one each")
    scores: dict[Hashable, list[float]] = {}
    for answer, mark in zip(answers, correct, strict=True):
        if not 0 <= mark <= 1:
            raise ValueError(f"correct must lie within 0..1, found {mark}")
        if answer is not None:
            scores.setdefault(answer, []).append(float(mark))
    candidates = [_Candidate(len(marks), sum(marks) / len(marks)) for marks in scores.values()]
    return candidates, len(answers) - sum(c.num_votes for c in candidates)


def _won_with(votes: int, candidates: list[_Candidate], kept: list[Floats], draw: _Draw) -> float:
    """Return the expected score when the most votes of an answer are ``votes``.

    ``ways[t, u]`` is the probability that t answers have ``votes`` and u samples are kept so far,
    ``scores[t, u]`` the same weighted with the sum of the tied answers' scores.
    """
    k = draw.k
    able = [i for i, candidate in enumerate(candidates) if candidate.num_votes >= votes]
    most_tied = min(len(able), k // votes)
    ways, scores = np.zeros((2, most_tied + 1, k + 1))
    ways[0, 0] = 1.0
    for i in able:
        tied = kept[i][votes]
        new_ways, new_scores = np.zeros((2, most_tied + 1, k + 1))
        for fewer in range(min(votes, k + 1)):
            new_ways[:, fewer:] += kept[i][fewer] * ways[:, : k + 1 - fewer]
            new_scores[:, fewer:] += kept[i][fewer] * scores[:, : k + 1 - fewer]
        new_ways[1:, votes:] += tied * ways[:-1, : k + 1 - votes]
        new_scores[1:, votes:] += tied * (
            scores[:-1, : k + 1 - votes] + candidates[i].score * ways[:-1, : k + 1 - votes]
        )
        ways, scores = new_ways, new_scores
    others = draw.n - sum(candidates[i].num_votes for i in able)  # they never reach ``votes``
    rest = _binomials(others, k / draw.n, k)[::-1]  # probability that k - u of them are kept
    shares = scores[1:] @ rest / np.arange(1, most_tied + 1)
    return float(shares.sum())


def _binomials(num_trials: int, probability: float, most: int) -> Floats:
    """Return the binomial probabilities of 0..most successes, by sums of positive terms alone."""
    distribution = np.zeros(most + 1)
    distribution[0] = 1.0
    for _ in range(num_trials):
        distribution[1:] = distribution[1:] * (1.0 - probability) + distribution[:-1] * probability
        distribution[0] *= 1.0 - probability
    return distribution
