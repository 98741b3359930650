"""What every rollout engine does."""

from collections.abc import Callable, Sequence
from typing import Protocol

from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion

GroupFinished = Callable[[int, list[Completion]], object]


class RolloutEngine(Protocol):
    """Samples responses; a catalog entry, closed when its last consumer has run.

    Attributes:
        runs_policy_model: True where it samples with the policy's own model, which must then lie
            on the device that samples; False where it takes the weights to a model of its own.
    """

    runs_policy_model: bool

    def set_policy(self, policy: Policy) -> None:
        """Make the engine sample from ``policy`` as it is now; call after each update."""

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        num_samples: int,
        sampling: SamplingConfig,
        seeds: Sequence[int],
        progress: Progress | None = None,
        group_finished: GroupFinished | None = None,
    ) -> list[list[Completion]]:
        """Return ``num_samples`` responses per prompt.

        Args:
            prompts: Token ids, special tokens included.
            num_samples: Responses per prompt.
            sampling: Distribution and length limit.
            seeds: One per prompt; the same seed, policy and batch give the same responses.
            progress: Told of each finished response.
            group_finished: Told of a prompt's position and responses as soon as they are there, in
                any order, while others are still being sampled; an engine may leave that out.
        """

    def close(self) -> None:
        """Free what the engine holds; it cannot be used afterwards."""
