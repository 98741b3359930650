"""What a response loses for its length, whatever its reward."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pmd_pipeline.config.reward_model import RewardModel


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthPenalty:
    """A soft penalty for responses near the length limit.

    Attributes:
        buffer_tokens: Tokens over which the penalty grows, up to the length limit.
        penalty: Taken off at the limit, reward units.

    Source: DAPO, arXiv:2503.14476, equation 13 (soft overlong punishment), without its sign.
    """

    buffer_tokens: int
    penalty: float

    def of(self, response_lengths: ArrayLike, max_length: int) -> NDArray[np.float64]:
        """Return what each response loses, reward units, float64, [B].

        It is 0 up to ``max_length - buffer_tokens``, grows linearly, and is ``penalty`` from
        ``max_length`` on.

        Args:
            response_lengths: Tokens per response, [B].
            max_length: Most tokens that a response may have.

        Raises:
            ValueError: If a length is negative, or the buffer is not within ``1..max_length``.
        """
        lengths = np.asarray(response_lengths, dtype=np.float64)
        buffer = self.buffer_tokens
        if not 1 <= buffer <= max_length:
            raise ValueError(
                f"rewards.overlong_buffer_tokens is {buffer} but responses have at most "
                f"{max_length} tokens: choose a buffer between 1 and that limit"
            )
        if lengths.size and not lengths.min() >= 0:
            raise ValueError(f"response_lengths must not be negative, found {lengths.min()}")
        share = np.clip((lengths - (max_length - buffer)) / buffer, 0.0, 1.0)
        return np.asarray(self.penalty * share, dtype=np.float64)


def length_penalty_of(config: RewardModel) -> LengthPenalty | None:
    """Return the penalty that the section ``rewards`` asks for; None where it asks for none."""
    if config.overlong_buffer_tokens is None:
        return None
    return LengthPenalty(
        buffer_tokens=config.overlong_buffer_tokens, penalty=config.overlong_penalty
    )
