"""From the section ``rewards`` of the parameters to the reward function."""

import os
from typing import assert_never

from pmd_pipeline.config.reasoning_gym import ReasoningGymRewardConfig
from pmd_pipeline.config.rewards import (
    AnyRewardConfig,
    ImportRewardConfig,
    MathRewardConfig,
    SumRewardConfig,
)
from pmd_pipeline.rewards.imported import ImportedReward
from pmd_pipeline.rewards.math_reward import MathReward
from pmd_pipeline.rewards.reasoning_gym import ReasoningGymReward
from pmd_pipeline.rewards.reward_function import RewardFunction
from pmd_pipeline.rewards.weighted_sum import WeightedSum


def make_reward(config: AnyRewardConfig, *, parameter: str = "rewards") -> RewardFunction:
    """Return the reward function that a configuration describes.

    Args:
        config: Of any kind.
        parameter: The section that holds it, for messages.
    """
    match config:
        case MathRewardConfig():
            return MathReward(config)
        case ImportRewardConfig():
            return ImportedReward(config, parameter=parameter)
        case ReasoningGymRewardConfig():
            return ReasoningGymReward(config, parameter=parameter)
        case SumRewardConfig():
            return WeightedSum(
                {
                    name: (part.weight, make_reward(part, parameter=f"{parameter}.parts.{name}"))
                    for name, part in config.parts.items()
                }
            )
        case _:
            assert_never(config)


def reward_for(config: AnyRewardConfig) -> RewardFunction:
    """Return the reward function that all stages of this process share.

    Starting its processes takes a second or two; they end with this process, or by
    :func:`close_rewards`.
    """
    key = (os.getpid(), config.model_dump_json())  # a forked child has processes of its own
    if key not in _rewards:
        _rewards[key] = make_reward(config)
    return _rewards[key]


def close_rewards() -> None:
    """End the processes of all shared reward functions; :func:`reward_for` starts new ones."""
    while _rewards:
        _rewards.popitem()[1].close()


def two_values_of(config: AnyRewardConfig) -> tuple[float, float] | None:
    """Return the rewards of a wrong and of a right response, None where there are others.

    A length penalty makes more of them than two.
    """
    return None if config.overlong_buffer_tokens is not None else reward_for(config).two_values


_rewards: dict[tuple[int, str], RewardFunction] = {}
