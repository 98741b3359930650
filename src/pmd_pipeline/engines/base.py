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
        runs_policy_model: True if it samples with the policy's own model, which must then be on
            the sampling device; False if it copies the weights to its own model.
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
            progress: Called after each finished response.
            group_finished: Called with a prompt's position and responses as soon as they are
                finished, in any order, while others are still being sampled; an engine need not
                call it.
        """

    def close(self) -> None:
        """Free what the engine holds; it cannot be used afterwards."""
