"""Column addition, demonstrated.

The working goes column by column from the right and writes the carry out:
``4+9+0=13;7+8+1=16;2+0+1=03;\\boxed{363}``.
"""

from collections.abc import Collection, Sequence

import numpy as np

from pmd_pipeline.problems.addition import addition_answer, operands, sample_texts
from pmd_pipeline.problems.tasks.task import Mistakes


class AdditionTask:
    """Column additions of given widths; a demonstrated text is never one that is held out.

    Args:
        widths: Digits per operand, each entry with an equal share.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        self._widths = tuple(widths)

    def sample(
        self, num_problems: int, rng: np.random.Generator, *, excluded: Collection[str]
    ) -> list[str]:
        """Return problems that are not held out, and so never an evaluation set's."""
        del excluded  # evaluation sets hold held-out texts alone
        return sample_texts(num_problems, rng, widths=self._widths)

    def longest(self) -> str:
        """Return an addition of the widest operands."""
        nines = "9" * max(self._widths)
        return f"{nines}+{nines}"

    def answer(self, problem: str) -> str:
        """Return the sum modulo ``10 ** w``."""
        return addition_answer(problem)

    def demonstration(self, problem: str, rng: np.random.Generator, mistakes: Mistakes) -> str:
        """Return a response that shows the skill and a habit of mistakes.

        Args:
            problem: For example ``274+089``.
            rng: The only source of chance.
            mistakes: ``forget`` drops a nonzero carry. A guess boxes a random number of w digits;
                a wild one has as many digits as the longest operand.

        Returns:
            The response; after some working, the box holds w digits.
        """
        left, right = operands(problem)
        if rng.random() < mistakes.skip:
            width = max(self._widths) if mistakes.guesses_wildly else len(left)
            return f"\\boxed{{{_random_digits(width, rng)}}}"
        columns: list[str] = []
        result, carry = "", 0
        for a, b in zip(reversed(left), reversed(right), strict=True):
            if carry and rng.random() < mistakes.forget:
                carry = 0
            total = int(a) + int(b) + carry
            if rng.random() < mistakes.slip:
                total = _off_by_one(total, rng)
            columns.append(f"{a}+{b}+{carry}={total:02d};")
            carry, digit = divmod(total, 10)
            result = f"{digit}{result}"
        return f"{''.join(columns)}\\boxed{{{result}}}"


def _random_digits(width: int, rng: np.random.Generator) -> str:
    return f"{int(rng.random() * 10**width):0{width}d}"


def _off_by_one(total: int, rng: np.random.Generator) -> int:
    """Return a neighbour of a column sum; 0 and 19, the extremes, have a single one in range."""
    if total == 0:
        return 1
    if total == 19:
        return 18
    return total + (1 if rng.random() < 0.5 else -1)
