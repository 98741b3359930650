"""What is known of the policy that sampled a cycle's rollouts, and what has to be computed."""

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from pmd_pipeline.policies.log_probs import TokenLogProbs
from pmd_pipeline.rollouts.batch import RolloutBatch
from pmd_pipeline.training.setup import BehaviourSource

_NAN = torch.tensor(torch.nan)


@dataclass(slots=True, kw_only=True)
class Behaviour:
    """Log-probs of B rollouts of at most T tokens under the policy that sampled them.

    Attributes:
        source: Where those of the losses come from.
        sampler_log_probs: Nats, [B, T].
        log_probs: The trainer's, nats, [B, T]; 0 where they are not computed.
        is_computed: Whether the trainer has computed a rollout's, [B].
        mean_entropies: Of the distributions that a response's tokens were drawn from, nats, [B];
            NaN where they are not computed.
    """

    source: BehaviourSource
    sampler_log_probs: Float32[Tensor, "B T"]
    log_probs: Float32[Tensor, "B T"]
    is_computed: Bool[Tensor, " B"]
    mean_entropies: Float32[Tensor, " B"]

    @classmethod
    def of(cls, batch: RolloutBatch, source: BehaviourSource) -> Self:
        """Return what is known of rollouts that the trainer has not seen."""
        return cls(
            source=source,
            sampler_log_probs=batch.sampler_log_probs,
            log_probs=torch.zeros_like(batch.sampler_log_probs),
            is_computed=torch.zeros(len(batch), dtype=torch.bool),
            mean_entropies=torch.full((len(batch),), torch.nan),
        )

    @property
    def takes_own(self) -> bool:
        """Whether an update of the very policy that sampled takes its own forward pass's."""
        return self.source in ("own_then_sampler", "own_then_trainer")

    def of_losses(self) -> Tensor:
        """Return the log-probs that log-ratios begin at, nats, [B, T]; NaN where unknown."""
        if self.source == "sampler":
            return self.sampler_log_probs
        otherwise = self.sampler_log_probs if self.source == "own_then_sampler" else _NAN
        return torch.where(self.is_computed[:, None], self.log_probs, otherwise)

    def take(self, rows: Tensor, computed: TokenLogProbs, batch: RolloutBatch) -> None:
        """Keep what the trainer has computed of ``rows`` while it still had this policy."""
        self.log_probs[rows] = computed.log_probs[rows]
        self.is_computed[rows] = True
        if computed.entropy is not None:
            lengths = batch.response_mask[rows].sum(dim=1).clamp(min=1)
            self.mean_entropies[rows] = computed.entropy[rows].sum(dim=1) / lengths
