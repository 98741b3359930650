"""What every reward does."""

from collections.abc import Sequence
from typing import Protocol

from pmd_pipeline.records import Prompt, Score


class RewardFunction(Protocol):
    """Score sampled responses; chosen by ``rewards.kind``.

    Example::

        class Brevity:
            two_values = None

            def __call__(self, prompts, responses):
                return [Score(reward=-len(response) / 1000) for response in responses]

    Attributes:
        two_values: The reward of a wrong and of a right response where there are no others, which
            is what the theory in the loop needs; None where there are.
    """

    two_values: tuple[float, float] | None

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> Sequence[Score]:
        """Return one score per response.

        Args:
            prompts: One per response; those of one group are equal and follow one another. A call
                holds whole groups, but how many is not fixed: no score may depend on it.
            responses: Texts, special tokens left out.
        """
