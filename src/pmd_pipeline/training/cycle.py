"""A cycle's rollouts: what is computed of them, their updates, and what these have changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from pmd_pipeline.algorithms import (
    advantages_of,
    groups_with_signal,
    rollout_weights,
)
from pmd_pipeline.records import Rollout
from pmd_pipeline.rollouts.batch import RolloutBatch, to_batch
from pmd_pipeline.training.behaviour import Behaviour
from pmd_pipeline.training.mini_batches import MiniBatch, mini_batches_of
from pmd_pipeline.training.optimizer import learning_rate
from pmd_pipeline.training.setup import ONE_GROUP_IN, BehaviourSource, TrainingSetup
from pmd_pipeline.training.trainer import Trainer
from pmd_pipeline.training.update import TrainingBatch, UpdateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRollouts:
    """What a cycle's B rollouts say of its updates.

    Attributes:
        rollouts: The rollouts, group after group.
        sampled_version: Updates that the policy had seen which sampled them.
        advantages: Reward units.
        behaviour_log_probs: Of the whole response, as log-ratios begin at them, nats; NaN where
            none were needed: of rollouts that no update used.
        sequence_log_ratios: After the last mini-batch, nats; NaN where not measured.
        mean_entropies: Of the behaviour policy, mean over the response's tokens, nats; of rollouts
            that an older policy has sampled, those of the policy before the updates; NaN where not
            computed.
        trainer_log_probs: The behaviour policy's by the trainer, nats, of all N response tokens of
            the rollouts for which it has computed them.
        sampler_log_probs: The sampler's of the same tokens; None where top_p or top_k has cut
            the distribution that it drew from: these are not log-probs of the policy.
        is_trained: True for the rollouts that the updates used; None without a refill.
    """

    rollouts: list[Rollout]
    sampled_version: int
    advantages: Float[np.ndarray, " B"]
    behaviour_log_probs: Float32[np.ndarray, " B"]
    sequence_log_ratios: Float32[np.ndarray, " B"]
    mean_entropies: Float32[np.ndarray, " B"]
    trainer_log_probs: Float32[np.ndarray, " N"]
    sampler_log_probs: Float32[np.ndarray, " N"] | None
    is_trained: Bool[np.ndarray, " B"] | None = None


class Cycle:
    """Rollouts that the trainer's policy has sampled, as it is now or as it was before.

    Log-ratios begin at the policy that sampled; where importance weights correct for an older one,
    at the policy of now.

    Args:
        trainer: Holds the policy.
        rollouts: Whole groups.
        setup: Algorithm and training.
        source: Where behaviour log-probs come from if the policy is still the one that sampled.
        sampled_version: Updates that the policy had seen when it sampled.

    Attributes:
        learning_rate: Of the last update; None before one.
    """

    def __init__(
        self,
        trainer: Trainer,
        rollouts: list[Rollout],
        setup: TrainingSetup,
        source: BehaviourSource,
        *,
        sampled_version: int,
    ) -> None:
        self.learning_rate: float | None = None
        self._trainer = trainer
        self._rollouts = rollouts
        self._setup = setup
        self._names = [f"{rollout.problem_id}#{rollout.sample_index}" for rollout in rollouts]
        self._batch = batch = to_batch(rollouts)
        self._has_signal = groups_with_signal(batch.rewards, batch.group_ids)
        self._mini_batches = mini_batches_of(batch, setup)
        self._is_measured = _measured(batch, self._mini_batches, setup)
        self._is_stale = sampled_version < trainer.policy_version
        self._behaviour = Behaviour.of(
            batch, setup.stale_behaviour_source if self._is_stale else source
        )
        self._advantages = advantages_of(setup.algorithm, batch.rewards, batch.group_ids)
        self._weights = rollout_weights(setup.algorithm, batch.rewards, batch.group_ids)
        self._sampled_version = sampled_version
        # Of the policy that log-ratios begin at.
        self._anchor_version = (
            trainer.policy_version if self._behaviour.source == "trainer" else sampled_version
        )

    @property
    def _has_moved(self) -> bool:
        return self._trainer.policy_version > self._anchor_version

    def update(self, round_index: int, *, first_number: int) -> list[UpdateResult]:
        """Update on each mini-batch that has a rollout left; see `update_policy`.

        Args:
            round_index: From 0.
            first_number: Of the first mini-batch in the round, from 1.
        """
        if blocks := self._blocks_before_updates():
            all_entropies = self._behaviour.source == "trainer"
            computed = self._trainer.log_probs(self._batch, blocks, with_entropy=all_entropies)
            self._behaviour.take(torch.cat(blocks), computed)
        results: list[UpdateResult] = []
        for number, mini_batch in enumerate(self._mini_batches, start=first_number):
            if len(mini_batch.kept) == 0:
                continue
            self.learning_rate = learning_rate(
                self._setup.optimizer,
                update=self._trainer.policy_version,
                round_index=round_index,
                num_rounds=self._setup.training.num_rounds,
            )
            where = f"{self._setup.label}, round {round_index + 1}, mini-batch {number}"
            results.append(
                self._update_on(mini_batch.kept, self.learning_rate, where, is_first=not results)
            )
        return results

    def _update_on(self, rows: Tensor, rate: float, where: str, *, is_first: bool) -> UpdateResult:
        is_known = bool(self._behaviour.is_computed[rows].all())
        # Of a policy that sampled before, the trainer has no log-probs; the entropies of its
        # responses' tokens under the policy of now are known from the first mini-batch.
        only_entropies = self._is_stale and is_first and not is_known
        result = self._trainer.update(
            self._training_batch(),
            rows,
            learning_rate=rate,
            where=where,
            keeps_log_probs=only_entropies or not (self._has_moved or is_known),
        )
        if result.log_probs is None:
            return result
        if only_entropies:
            self._behaviour.take_entropies(rows, result.log_probs)
        else:
            self._behaviour.take(rows, result.log_probs)
        return replace(result, log_probs=None)

    def _training_batch(self) -> TrainingBatch:
        """Return the rollouts for an update of the policy as it is now.

        The exact update of a group whose rewards are all equal is to stay where it is. A policy
        that has not moved is there: its log-ratios are 0, and such a group has no weight, as a
        sampler's own log-probs, which differ a little, would say that it is not.
        """
        takes_own = self._behaviour.takes_own and not self._has_moved
        return TrainingBatch(
            rollouts=self._batch,
            names=self._names,
            behaviour_log_probs=None if takes_own else self._behaviour.of_losses(),
            advantages=self._advantages,
            rollout_weights=self._weights if self._has_moved else self._weights * self._has_signal,
        )

    def _blocks_before_updates(self) -> list[Tensor]:
        """Return rows to compute before the updates, those of each micro-batch's kind together."""
        source = self._behaviour.source
        if source == "trainer":
            # As the updates will compute them: until the policy moves, log-ratios are exactly 0.
            return _not_empty(
                rows for part in self._mini_batches for rows in (part.kept, part.dropped)
            )
        if source != "own_then_trainer":
            return []
        signals = [bool(self._has_signal[part.kept].any()) for part in self._mini_batches]
        if not any(signals):
            return []  # the policy will not move
        later = self._mini_batches[signals.index(True) + 1 :]
        dropped = [part.dropped[self._is_measured[part.dropped]] for part in self._mini_batches]
        return _not_empty([*(part.kept for part in later), *dropped])

    def measure(self) -> MeasuredRollouts:
        """Return what the updates have changed; nothing is computed if they have not moved it."""
        batch, behaviour = self._batch, self._behaviour
        before = behaviour.of_losses()
        log_ratios = torch.full((len(batch),), torch.nan)
        rows = self._is_measured.nonzero().squeeze(-1)
        log_ratios[rows] = 0.0
        if self._has_moved:
            after = self._trainer.log_probs(batch, [rows]).log_probs
            log_ratios[rows] = (after - before)[rows].sum(dim=1)
        counts = batch.response_mask & behaviour.is_computed[:, None]
        return MeasuredRollouts(
            rollouts=self._rollouts,
            sampled_version=self._sampled_version,
            advantages=self._advantages.numpy(),
            behaviour_log_probs=before.sum(dim=1).numpy(),
            sequence_log_ratios=log_ratios.numpy(),
            mean_entropies=behaviour.mean_entropies.numpy(),
            trainer_log_probs=behaviour.log_probs[counts].numpy(),
            sampler_log_probs=batch.sampler_log_probs[counts].numpy()
            if self._setup.training.sampling.keeps_full_support
            else None,
            is_trained=self._is_trained(),
        )

    def _is_trained(self) -> np.ndarray | None:
        if self._setup.refill is None:
            return None
        is_trained = torch.zeros(len(self._batch), dtype=torch.bool)
        is_trained[torch.cat([part.kept for part in self._mini_batches])] = True
        return is_trained.numpy()


def _measured(
    batch: RolloutBatch, mini_batches: Sequence[MiniBatch], setup: TrainingSetup
) -> Tensor:
    """Return True for the rollouts whose log-ratios are measured after the updates, [B]."""
    match setup.training.measured_rollouts:
        case "round":
            return torch.ones(len(batch), dtype=torch.bool)
        case "last_mini_batch":
            rows = next(part.rows for part in reversed(mini_batches) if len(part.rows))
            return torch.zeros(len(batch), dtype=torch.bool).index_fill(0, rows, True)
        case "sample":
            num_groups = int(batch.group_ids.max()) + 1
            num_sampled = -(-num_groups // ONE_GROUP_IN)
            # The middle of each of so many equal stretches of the round.
            groups = ((torch.arange(num_sampled) + 0.5) * num_groups / num_sampled).long()
            return torch.isin(batch.group_ids, groups)


def _not_empty(blocks: Sequence[Tensor] | Iterator[Tensor]) -> list[Tensor]:
    return [rows for rows in blocks if len(rows) > 0]
