"""What every reward does."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pmd_pipeline.records import Prompt, Score


class RewardFunction(Protocol):
    """Scores sampled responses; chosen by ``rewards.kind``.

    What a user's own module makes (``rewards.kind: import``) needs no more than the call::

        def make_reward(target: int):
            def reward(prompts, responses):
                return [Score(reward=-abs(len(text) - target) / target) for text in responses]

            return reward

    Attributes:
        two_values: The reward of a wrong and of a right response where there are no others, which
            is what the theory in the loop needs; None where there are.
    """

    @property
    def two_values(self) -> tuple[float, float] | None: ...

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[str]) -> Sequence[Score]:
        """Return one score per response.

        Args:
            prompts: One per response; those of one problem are equal and follow one another. A
                call holds whole groups, but how many is not fixed: no score may depend on it.
            responses: Texts, special tokens left out.
        """

    def close(self) -> None:
        """End what it has started; it cannot be used afterwards."""


@runtime_checkable
class StartsProcesses(Protocol):
    """A reward that scores in processes, which can be got ready while responses are sampled."""

    def get_ready(self, prompts: Sequence[Prompt]) -> None:
        """Start the processes that scores of these prompts' responses may need; return at once."""


def get_ready(reward: RewardFunction, prompts: Sequence[Prompt]) -> None:
    """Have a reward start its processes, if it has any that responses to ``prompts`` may need."""
    if isinstance(reward, StartsProcesses):
        reward.get_ready(prompts)
