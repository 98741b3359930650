"""Units of sampling: fixed batches of prompts, cut by a rule that knows nothing of samplers.

The shape of a batch decides the last bits of its log-probs. A unit is always sampled as a whole, so
that one process and many give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pmd_pipeline.config.sampling import SamplingConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """P prompts whose responses are sampled together.

    What they are depends on nothing but this and the policy's weights.

    Attributes:
        prompts: Token ids.
        seeds: One per prompt.
        num_samples: Responses per prompt.
        sampling: Distribution and length limit.
    """

    prompts: Sequence[Sequence[int]]
    seeds: Sequence[int]
    num_samples: int
    sampling: SamplingConfig

    @property
    def num_responses(self) -> int:
        """Responses of all prompts."""
        return len(self.prompts) * self.num_samples


def cut_into_units(
    lengths: Sequence[int], *, num_samples: int, unit_size: int | None
) -> list[list[int]]:
    """Return the positions of each unit's prompts, short prompts first.

    Args:
        lengths: Tokens of each prompt.
        num_samples: Responses per prompt.
        unit_size: Most responses of a unit; the responses to one prompt stay together, even if they
            are more. None: all prompts are one unit.
    """
    if unit_size is None:
        return [list(range(len(lengths)))]
    size = max(1, unit_size // num_samples)
    by_length = sorted(range(len(lengths)), key=lambda i: lengths[i])
    return [by_length[start : start + size] for start in range(0, len(by_length), size)]
