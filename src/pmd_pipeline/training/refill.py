"""How many prompts a round draws to have its number of groups that the prompt filter keeps."""

from collections.abc import Sequence

import torch

from pmd_pipeline.algorithms import groups_within_bounds
from pmd_pipeline.config.algorithms import PromptFilterConfig
from pmd_pipeline.records import Rollout


def num_prompts_to_draw(*, num_wanted: int, num_kept: int, num_drawn: int, num_extra: int) -> int:
    """Return how many more prompts to draw; 0 if there are enough groups, or no more are allowed.

    As many as should do if the share of groups that are kept stays what it was, but at most as
    many as the first time: what was planned for that, memory and time, fits the others too.

    Args:
        num_wanted: Groups to be kept, and the prompts that were drawn first.
        num_kept: Groups within the filter's bounds so far.
        num_drawn: Prompts so far.
        num_extra: Most prompts beyond the first ones.
    """
    num_missing = max(0, num_wanted - num_kept)
    num_allowed = num_wanted + num_extra - num_drawn
    num_expected = -(-num_missing * num_drawn // num_kept) if num_kept else num_wanted
    return min(num_expected, num_wanted, num_allowed)


def num_kept_groups(
    rollouts: Sequence[Rollout], bounds: PromptFilterConfig, *, group_size: int
) -> int:
    """Return the number of groups with a mean reward within the bounds.

    Args:
        rollouts: Group after group.
        bounds: Of the prompt filter.
        group_size: Rollouts of a group.
    """
    rewards = torch.tensor([rollout.reward for rollout in rollouts], dtype=torch.float64)
    group_ids = torch.arange(len(rollouts)) // group_size
    kept = groups_within_bounds(rewards, group_ids, low=bounds.low, high=bounds.high)
    return int(kept.sum()) // group_size
