"""Weights that move the PMD regression from the behaviour policy to the ideal next one."""

import torch
from torch import Tensor

from pmd_pipeline.algorithms.checks import check_tau
from pmd_pipeline.algorithms.groups import group_rewards


def partition_weights(rewards: Tensor, group_ids: Tensor, *, tau: float) -> Tensor:
    """Return ``exp(r / tau)`` over its mean in the group, [B].

    The ideal KL step takes the behaviour policy pi to ``pi * exp(r / tau) / Z`` with the partition
    ``Z = E exp(r / tau)``. The weight is that ratio, with Z estimated by the group, so that the
    weighted regression is fitted where the ideal next policy puts its mass: to the better rollouts.
    Weights lie in [0, n] and average to 1 in every group; at large ``tau`` all are 1, at small
    ``tau`` the best rollouts of a group share its whole weight.

    PMD-part's population solution stays the same under any positive weights, as it fits every
    response exactly; PMD-mean's does not.

    The formula is that of the authors' code too (``compute_wpmd_weight`` in github.com/horizon-rl/
    OpenKimi), which leaves it switched off; the paper's experiments are without these weights.

    Args:
        rewards: Reward units, float32 or float64, [B].
        group_ids: Integers, [B].
        tau: Reward units per nat, positive; the algorithm's one tau.

    Returns:
        Weights in the type of ``rewards``, pure numbers without gradient, [B].

    Raises:
        ValueError: If an input is of the wrong shape, type or range.
    """
    check_tau(tau)
    groups = group_rewards(rewards, group_ids)
    exponents = groups.to_table(groups.below_best() / tau, fill=-torch.inf)
    shares = groups.from_table(torch.softmax(exponents, dim=1))
    return (groups.spread(groups.sizes) * shares).to(rewards.dtype)
