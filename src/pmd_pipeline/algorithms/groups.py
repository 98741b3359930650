"""Rewards by group: the rollouts of one prompt share an id, in any order and any number."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedRewards:
    """Rewards and where each one stands in a table with one row per group.

    For rewards ``[5, 1, 7]`` of groups ``[4, 9, 4]``::

        table  [[5, 7],     row_of_rollout     [0, 1, 0]
                [1, .]]     column_of_rollout  [0, 0, 1]      sizes  [2, 1]

    Attributes:
        rewards: float64, [B].
        ids: The distinct group ids, ascending, [G].
        sizes: Rollouts per group, int64, [G].
        row_of_rollout: int64, [B].
        column_of_rollout: int64, [B].
    """

    rewards: Tensor
    ids: Tensor
    sizes: Tensor
    row_of_rollout: Tensor
    column_of_rollout: Tensor

    def to_table(self, values: Tensor, *, fill: float) -> Tensor:
        """Return per-rollout values [B] as a table [G, largest group], padded with ``fill``."""
        table = values.new_full((len(self.sizes), int(self.sizes.max())), fill)
        table[self.row_of_rollout, self.column_of_rollout] = values
        return table

    def from_table(self, table: Tensor) -> Tensor:
        """Return the table's values [G, largest group] in the order of the rollouts, [B]."""
        return table[self.row_of_rollout, self.column_of_rollout]

    def spread(self, group_values: Tensor) -> Tensor:
        """Return each rollout's group value: [G] -> [B]."""
        return group_values[self.row_of_rollout]

    def best(self) -> Tensor:
        """Return each rollout's best reward of its group, [B]."""
        return self.spread(self.to_table(self.rewards, fill=-torch.inf).amax(dim=1))

    def below_best(self) -> Tensor:
        """Return each reward minus the best of its group, at most 0, [B].

        Every advantage is a function of these differences, which are exactly 0 in a group whose
        rewards are all the same, and whose exponentials cannot overflow.
        """
        return self.rewards - self.best()

    def mean_below_best(self) -> Tensor:
        """Return each rollout's mean of ``below_best`` over its group, [B]."""
        return self.spread(self.to_table(self.below_best(), fill=0.0).sum(dim=1) / self.sizes)


def group_rewards(rewards: Tensor, group_ids: Tensor) -> GroupedRewards:
    """Return the rewards with their places in a table of groups.

    Args:
        rewards: Reward units, float32 or float64, [B].
        group_ids: Integers, [B].

    Raises:
        ValueError: If the shapes differ, there are no rollouts, a type is wrong, or a reward is
            not finite.
    """
    if rewards.ndim != 1 or group_ids.shape != rewards.shape:
        raise ValueError(
            "rewards and group_ids must both be [B], one entry per rollout; found "
            f"{list(rewards.shape)} and {list(group_ids.shape)}"
        )
    if len(rewards) == 0:
        raise ValueError("rewards is empty: at least one rollout is needed")
    if rewards.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"rewards must be float32 or float64, found {rewards.dtype}")
    if group_ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(f"group_ids must be int64 or int32, found {group_ids.dtype}")
    finite = torch.isfinite(rewards)
    if not bool(finite.all()):
        first = int((~finite).nonzero()[0, 0])
        raise ValueError(
            f"rewards must be finite: reward {first} of {len(rewards)} (group "
            f"{int(group_ids[first])}) is {float(rewards[first])}; mend the reward function"
        )
    ids, rows, sizes = torch.unique(group_ids, return_inverse=True, return_counts=True)
    by_group = torch.argsort(rows, stable=True)
    places = torch.arange(len(rewards), device=rewards.device)
    columns = torch.empty_like(places)
    columns[by_group] = places - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    return GroupedRewards(
        rewards=rewards.detach().double(),
        ids=ids,
        sizes=sizes,
        row_of_rollout=rows,
        column_of_rollout=columns,
    )
