"""From right or wrong, and a length, to a reward."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pmd_pipeline.config.rewards import RewardConfig


def shape_rewards(
    correct: ArrayLike, response_lengths: ArrayLike, max_length: int, config: RewardConfig
) -> NDArray[np.float64]:
    """Return the reward of each rollout: right or wrong, less the penalty for its length.

    Args:
        correct: True where the answer is right, [B].
        response_lengths: Tokens per response, [B].
        max_length: Most tokens that a response may have.
        config: Reward values and length penalty.

    Returns:
        Reward units, float64, [B].

    Raises:
        ValueError: If the shapes differ, a length is negative, or the penalty's buffer is longer
            than ``max_length``.
    """
    right = np.asarray(correct, dtype=bool)
    lengths = np.asarray(response_lengths)
    if right.ndim != 1 or right.shape != lengths.shape:
        raise ValueError(
            f"correct has shape {right.shape} and response_lengths {lengths.shape}: "
            "both must have one entry per rollout, [B]"
        )
    rewards = np.where(right, config.correct_reward, config.incorrect_reward)
    if config.overlong_buffer_tokens is None:
        return rewards
    return rewards - config.overlong_penalty * overlong_fraction(
        lengths, max_length, config.overlong_buffer_tokens
    )


def overlong_fraction(
    response_lengths: ArrayLike, max_length: int, buffer_tokens: int
) -> NDArray[np.float64]:
    """Return how much of the length penalty each response earns, 0 to 1.

    It is 0 up to ``max_length - buffer_tokens``, grows linearly, and is 1 from ``max_length`` on.

    Args:
        response_lengths: Tokens per response, [B].
        max_length: Most tokens that a response may have.
        buffer_tokens: Tokens over which the penalty grows.

    Returns:
        Share of the penalty, float64, [B].

    Raises:
        ValueError: If a length is negative, or the buffer is not within ``1..max_length``.

    Source: DAPO, arXiv:2503.14476, equation 13 (soft overlong punishment), without its sign.
    """
    lengths = np.asarray(response_lengths, dtype=np.float64)
    if not 1 <= buffer_tokens <= max_length:
        raise ValueError(
            f"overlong_buffer_tokens is {buffer_tokens} but responses have at most {max_length} "
            "tokens: choose a buffer between 1 and that limit"
        )
    if lengths.size and not lengths.min() >= 0:
        raise ValueError(f"response_lengths must not be negative, found {lengths.min()}")
    return np.clip((lengths - (max_length - buffer_tokens)) / buffer_tokens, 0.0, 1.0)
