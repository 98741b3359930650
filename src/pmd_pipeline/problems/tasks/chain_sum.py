"""Chain sums of Reasoning Gym, demonstrated.

A problem is a bare expression of one-digit terms, ``4+3-9``. The working goes from the left, a
term at a time: ``4+3=7;7-9=-2;\\boxed{-2}``.
"""

import re
from collections.abc import Collection

import numpy as np

from pmd_pipeline.problems.errors import ProblemSourceError
from pmd_pipeline.problems.tasks.task import Mistakes

_CHAIN = re.compile(r"\d([+-]\d)+")
_GUESSES = 100  # numbers of up to two digits: few sums are any one of them
_MOST_DRAWS = 1000  # in a row without a problem that is not excluded


class ChainSumTask:
    """Sums and differences of one-digit terms, as the family ``chain_sum`` draws them.

    Args:
        min_terms: Fewest terms, 2 or more.
        max_terms: Most terms; each number of terms is as likely.
    """

    def __init__(self, *, min_terms: int, max_terms: int) -> None:
        self._min_terms = min_terms
        self._max_terms = max_terms

    def sample(
        self, num_problems: int, rng: np.random.Generator, *, excluded: Collection[str]
    ) -> list[str]:
        """Return random problems, none of them excluded; repeats can occur.

        Raises:
            ProblemSourceError: If there is hardly a problem beside the excluded ones.
        """
        problems: list[str] = []
        draws_in_vain = 0
        while len(problems) < num_problems:
            problem = self._draw(rng)
            if problem not in excluded:
                problems.append(problem)
                draws_in_vain = 0
                continue
            draws_in_vain += 1
            if draws_in_vain == _MOST_DRAWS:
                raise ProblemSourceError(
                    f"chain_sum of {self._min_terms} to {self._max_terms} terms: nearly all "
                    "problems are held out for evaluation, and none is left to demonstrate; "
                    "evaluate on fewer, or raise options.max_terms"
                )
        return problems

    def longest(self) -> str:
        """Return a problem of the most terms, all its results negative."""
        return "0" + "-9" * (self._max_terms - 1)

    def answer(self, problem: str) -> str:
        """Return the value of the expression."""
        first, steps = _parse(problem)
        return str(first + sum(steps))

    def demonstration(self, problem: str, rng: np.random.Generator, mistakes: Mistakes) -> str:
        """Return a response that shows the skill and a habit of mistakes.

        Args:
            problem: For example ``4+3-9``.
            rng: The only source of chance.
            mistakes: ``forget`` adds a term that should be taken away. A guess boxes a random
                number of up to two digits, wild or not.

        Returns:
            The response.
        """
        result, steps = _parse(problem)
        if rng.random() < mistakes.skip:
            return f"\\boxed{{{int(rng.random() * _GUESSES)}}}"
        working: list[str] = []
        for sign, step in zip(problem[1::2], steps, strict=True):
            term, is_minus = abs(step), sign == "-"
            if is_minus and rng.random() < mistakes.forget:
                is_minus = False
            following = result - term if is_minus else result + term
            if rng.random() < mistakes.slip:
                following += 1 if rng.random() < 0.5 else -1
            working.append(f"{result}{'-' if is_minus else '+'}{term}={following};")
            result = following
        return f"{''.join(working)}\\boxed{{{result}}}"

    def _draw(self, rng: np.random.Generator) -> str:
        num_terms = int(rng.integers(self._min_terms, self._max_terms + 1))
        terms = rng.integers(10, size=num_terms).tolist()
        signs = rng.integers(2, size=num_terms - 1).tolist()
        return str(terms[0]) + "".join(
            f"{'+-'[sign]}{term}" for sign, term in zip(signs, terms[1:], strict=True)
        )


def _parse(problem: str) -> tuple[int, list[int]]:
    """Return the first term, and the others with their signs."""
    if _CHAIN.fullmatch(problem) is None:
        raise ValueError(
            f"{problem!r} is no chain sum of one-digit terms; give an expression such as 4+3-9"
        )
    return int(problem[0]), [int(problem[i : i + 2]) for i in range(1, len(problem), 2)]
