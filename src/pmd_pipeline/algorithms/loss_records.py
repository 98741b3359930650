"""What goes into a loss and what comes out.

Shapes: B rollouts of a micro-batch, T tokens of its longest response.
"""

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pmd_pipeline.algorithms.checks import check_per_rollout, check_per_token


@dataclass(frozen=True, slots=True, kw_only=True)
class LossInputs:
    """A micro-batch, right-padded; what stands outside the response mask never matters.

    Attributes:
        log_probs: The current policy's log-probs of the sampled tokens, with their gradient,
            nats, float32 or float64.
        behaviour_log_probs: The behaviour policy's, nats.
        response_mask: True on tokens that the policy sampled.
        advantages: Reward units.
        rollout_weights: Weight of each rollout's loss, such as partition weights times
            sequence-level importance weights; None for ones.
        token_weights: Weight of each token's loss, such as token-level importance weights; None
            for ones. Losses on whole sequences refuse them.

    Raises:
        ValueError: If a shape or type is wrong.
    """

    log_probs: Float[Tensor, "B T"]
    behaviour_log_probs: Float[Tensor, "B T"]
    response_mask: Bool[Tensor, "B T"]
    advantages: Float[Tensor, " B"]
    rollout_weights: Float[Tensor, " B"] | None = None
    token_weights: Float[Tensor, "B T"] | None = None

    def __post_init__(self) -> None:
        if self.log_probs.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"log_probs must be float32 or float64, found {self.log_probs.dtype}: a sequence "
                "log-ratio sums thousands of tokens, so take the log-softmax in float32"
            )
        shape = self.log_probs.shape
        check_per_token("log_probs", self.log_probs, shape)
        check_per_token("behaviour_log_probs", self.behaviour_log_probs, shape)
        check_per_token("response_mask", self.response_mask, shape)
        if self.response_mask.dtype != torch.bool:
            raise ValueError(
                "response_mask must be bool (True on response tokens), found "
                f"{self.response_mask.dtype}"
            )
        check_per_rollout("advantages", self.advantages, shape[0])
        if self.rollout_weights is not None:
            check_per_rollout("rollout_weights", self.rollout_weights, shape[0])
        if self.token_weights is not None:
            check_per_token("token_weights", self.token_weights, shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossDenominators:
    """Counts over the WHOLE mini-batch: all its micro-batches, on all data-parallel ranks.

    Dividing by these is what makes a gradient independent of how the mini-batch is split.

    Attributes:
        num_rollouts: Rollouts, those with an empty response included.
        num_nonempty_rollouts: Rollouts with at least one response token.
        num_tokens: Response tokens.
        max_response_tokens: The longest response that the sampler may give: a configured number,
            not the width of some padded tensor.

    Raises:
        ValueError: If the counts contradict each other.
    """

    num_rollouts: int
    num_nonempty_rollouts: int
    num_tokens: int
    max_response_tokens: int

    def __post_init__(self) -> None:
        if self.num_rollouts < 1 or self.max_response_tokens < 1:
            raise ValueError(f"num_rollouts and max_response_tokens must be positive: {self}")
        fits = (
            0 <= self.num_nonempty_rollouts <= self.num_rollouts
            and self.num_nonempty_rollouts <= self.num_tokens
            and self.num_tokens <= self.num_nonempty_rollouts * self.max_response_tokens
        )
        if not fits:
            raise ValueError(
                "the counts of a mini-batch contradict each other (every non-empty response has "
                f"between 1 and max_response_tokens tokens): {self}"
            )

    @classmethod
    def from_response_mask(cls, response_mask: Tensor, *, max_response_tokens: int) -> Self:
        """Return the counts of a mini-batch whose whole response mask [B, T] is at hand."""
        lengths = response_mask.sum(dim=1)
        return cls(
            num_rollouts=len(response_mask),
            num_nonempty_rollouts=int((lengths > 0).sum()),
            num_tokens=int(lengths.sum()),
            max_response_tokens=max_response_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LossOutput:
    """A micro-batch's share of the mini-batch loss, and how much of it was clipped.

    Shares add up: the sum over the micro-batches of a mini-batch is its loss, and the sum of their
    gradients its gradient. A trainer that averages gradients over ranks must undo that average.

    Attributes:
        loss: This micro-batch's share, with gradient.
        rollout_losses: The share of each rollout, without gradient; they sum to ``loss``. A value
            that is not finite tells which rollout is to blame.
        num_clipped: Tokens (sequences for GSPO) whose gradient clipping took away.
        num_clip_units: Tokens (sequences for GSPO) that could have been clipped; 0 for a loss that
            does not clip.
    """

    loss: Float[Tensor, ""]
    rollout_losses: Float[Tensor, " B"]
    num_clipped: Int[Tensor, ""]
    num_clip_units: Int[Tensor, ""]
