"""What is known of the policy that sampled a cycle's rollouts."""

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from pmd_pipeline.policies.log_probs import TokenLogProbs
from pmd_pipeline.rollouts.batch import RolloutBatch
from pmd_pipeline.training.setup import BehaviourSource


@dataclass(slots=True, kw_only=True)
class Behaviour:
    """Log-probs of B rollouts of at most T tokens under the policy that sampled them.

    Attributes:
        source: Where those that log-ratios begin at come from.
        rollouts: The rollouts.
        log_probs: The trainer's where it has computed them; elsewhere the sampler's if they take
            the trainer's place, or NaN; nats, [B, T].
        is_computed: Whether the trainer has computed a rollout's, [B].
        mean_entropies: Of the distributions that a response's tokens were drawn from, nats, [B];
            NaN where they are not computed.
    """

    source: BehaviourSource
    rollouts: RolloutBatch
    log_probs: Float32[Tensor, "B T"]
    is_computed: Bool[Tensor, " B"]
    mean_entropies: Float32[Tensor, " B"]

    @classmethod
    def of(cls, rollouts: RolloutBatch, source: BehaviourSource) -> Self:
        """Return what is known of rollouts that the trainer has not seen."""
        sampler = rollouts.sampler_log_probs
        takes_sampler = source == "own_then_sampler"
        return cls(
            source=source,
            rollouts=rollouts,
            log_probs=sampler.clone() if takes_sampler else torch.full_like(sampler, torch.nan),
            is_computed=torch.zeros(len(rollouts), dtype=torch.bool),
            mean_entropies=torch.full((len(rollouts),), torch.nan),
        )

    @property
    def takes_own(self) -> bool:
        """Whether an update of the very policy that sampled takes its own forward pass's."""
        return self.source in ("own_then_sampler", "own_then_trainer")

    def of_losses(self) -> Tensor:
        """Return the log-probs that log-ratios begin at, nats, [B, T]; NaN where unknown."""
        return self.rollouts.sampler_log_probs if self.source == "sampler" else self.log_probs

    def take(self, rows: Tensor, computed: TokenLogProbs) -> None:
        """Keep what the trainer has computed of ``rows`` while it still had this policy."""
        self.log_probs[rows] = computed.log_probs[rows]
        self.is_computed[rows] = True
        self.take_entropies(rows, computed)

    def take_entropies(self, rows: Tensor, computed: TokenLogProbs) -> None:
        """Keep the entropies of ``rows`` alone."""
        if computed.entropy is not None:
            lengths = self.rollouts.response_mask[rows].sum(dim=1).clamp(min=1)
            self.mean_entropies[rows] = computed.entropy[rows].sum(dim=1) / lengths
