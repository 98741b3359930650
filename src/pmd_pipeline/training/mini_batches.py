"""Which rollouts each update of a cycle is made of."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pmd_pipeline.algorithms import groups_within_bounds
from pmd_pipeline.rollouts.batch import RolloutBatch, mini_batch_rows
from pmd_pipeline.training.setup import TrainingSetup


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniBatch:
    """Rows of the rollouts that an update uses, and of those that are left out of it.

    Attributes:
        kept: Of groups within the prompt filter's bounds.
        dropped: Of the other groups; with a refill also of those that were drawn when the cycle had
            enough already.
    """

    kept: Tensor
    dropped: Tensor

    @property
    def rows(self) -> Tensor:
        """All of them."""
        return torch.cat([self.kept, self.dropped])


def mini_batches_of(batch: RolloutBatch, setup: TrainingSetup) -> list[MiniBatch]:
    """Return a cycle's mini-batches, in their order; see docs/algorithms.md for those of a refill.

    Args:
        batch: The cycle's rollouts, whole groups in the order in which they were drawn.
        setup: Algorithm and training.
    """
    bounds = setup.algorithm.prompt_filter
    kept = torch.ones(len(batch), dtype=torch.bool)
    if bounds is not None:
        kept = groups_within_bounds(
            batch.rewards, batch.group_ids, low=bounds.low, high=bounds.high
        )
    if setup.refill is None:
        parts = mini_batch_rows(batch.group_ids, setup.updates_per_cycle)
    else:
        kept, parts = _divided_by_kept(kept, batch.group_ids, setup)
    return [MiniBatch(kept=rows[kept[rows]], dropped=rows[~kept[rows]]) for rows in parts]


def _divided_by_kept(
    kept: Tensor, group_ids: Tensor, setup: TrainingSetup
) -> tuple[Tensor, list[Tensor]]:
    """Return which rollouts are used, bool [B], and the rows of each mini-batch.

    The mini-batches have the same number of kept groups, or numbers that differ by one where too
    few were found. A dropped group belongs to the mini-batch of the next one that is kept.
    """
    num_mini_batches = setup.updates_per_cycle
    is_kept = torch.zeros(int(group_ids.max()) + 1, dtype=torch.bool)
    is_kept[group_ids] = kept
    num_before = is_kept.cumsum(0) - is_kept.long()
    is_kept &= num_before < setup.prompts_per_cycle
    num_kept = max(1, int(is_kept.sum()))
    mini_batch_of = num_before.clamp(max=num_kept - 1) * num_mini_batches // num_kept
    return is_kept[group_ids], [
        (mini_batch_of[group_ids] == i).nonzero().squeeze(-1) for i in range(num_mini_batches)
    ]
