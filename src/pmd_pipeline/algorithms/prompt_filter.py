"""Which groups are worth an update."""

import math

from torch import Tensor

from pmd_pipeline.algorithms.groups import group_rewards


def groups_with_signal(rewards: Tensor, group_ids: Tensor) -> Tensor:
    """Return True for the rollouts of groups whose rewards differ, bool [B].

    In the other groups every advantage is exactly 0, whatever the baseline.

    Args:
        rewards: Reward units, float32 or float64, [B].
        group_ids: Integers, [B].

    Raises:
        ValueError: If an input is of the wrong shape or type.
    """
    groups = group_rewards(rewards, group_ids)
    worst = groups.to_table(groups.below_best(), fill=0.0).amin(dim=1)
    return groups.spread(worst) < 0


def groups_within_bounds(
    rewards: Tensor, group_ids: Tensor, *, low: float | None = None, high: float | None = None
) -> Tensor:
    """Return True for the rollouts of groups with a mean reward strictly between the bounds.

    With rewards of +1 and -1, ``low=-1, high=1`` keeps exactly the groups that have both a right
    and a wrong rollout. A group's mean is exact when its rewards are all the same, so that a bound
    equal to them excludes it.

    Args:
        rewards: Reward units, float32 or float64, [B].
        group_ids: Integers, [B].
        low: Reward units; None for no lower bound.
        high: Reward units; None for no upper bound.

    Returns:
        bool, the same for all rollouts of a group, [B].

    Raises:
        ValueError: If an input is of the wrong shape or type, or ``low >= high``.
    """
    lowest = -math.inf if low is None else low
    highest = math.inf if high is None else high
    if not lowest < highest:
        raise ValueError(f"low must be below high, found low {low} and high {high}")
    groups = group_rewards(rewards, group_ids)
    means = groups.best() + groups.mean_below_best()
    return (means > lowest) & (means < highest)
