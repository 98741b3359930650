"""One round: sample a batch of groups from the current policy, grade, update by mini-batches."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from pmd_pipeline.algorithms import (
    advantages_of,
    groups_with_signal,
    groups_within_bounds,
    rollout_weights,
    sequence_importance_weights,
    token_importance_weights,
)
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.records import Prompt, Rollout
from pmd_pipeline.rewards import RewardFunction
from pmd_pipeline.rewards.length_penalty import length_penalty_of
from pmd_pipeline.rollouts.batch import RolloutBatch, mini_batch_rows, to_batch
from pmd_pipeline.rollouts.collect import Collected, collect_rollouts
from pmd_pipeline.seeds import derive_seed
from pmd_pipeline.training.optimizer import learning_rate
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.trainer import Trainer
from pmd_pipeline.training.update import TrainingBatch, UpdateResult


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRollouts:
    """What a cycle's B rollouts, with N response tokens in all, say of its updates.

    Attributes:
        rollouts: The rollouts, group after group.
        advantages: Reward units.
        behaviour_log_probs: Of the whole response before the first mini-batch, nats.
        sequence_log_ratios: After the last mini-batch, nats; NaN where not measured.
        mean_entropies: Of the behaviour policy, mean over the response's tokens, nats.
        trainer_log_probs: Of every response token, before the first mini-batch, nats.
        sampler_log_probs: The sampler's of the same tokens; None where top_p or top_k has cut
            the distribution that it drew from: these are not log-probs of the policy.
    """

    rollouts: list[Rollout]
    advantages: Float[np.ndarray, " B"]
    behaviour_log_probs: Float32[np.ndarray, " B"]
    sequence_log_ratios: Float32[np.ndarray, " B"]
    mean_entropies: Float32[np.ndarray, " B"]
    trainer_log_probs: Float32[np.ndarray, " N"]
    sampler_log_probs: Float32[np.ndarray, " N"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """A finished round.

    Attributes:
        round_index: From 1: the number of complete rounds that the policy has seen.
        policy_version: Updates that it has seen.
        learning_rate: Of the round's last update.
        cycles: One, or one per update when on policy.
        updates: One per mini-batch that has a rollout left.
        num_skipped_updates: Mini-batches that changed nothing: their gradient was exactly 0, or the
            prompt filter has dropped them whole.
        sampling_seconds, grading_seconds, updating_seconds: Wall times.
    """

    round_index: int
    policy_version: int
    learning_rate: float
    cycles: list[MeasuredRollouts]
    updates: list[UpdateResult]
    num_skipped_updates: int
    sampling_seconds: float
    grading_seconds: float
    updating_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _MiniBatch:
    """Rows of the rollouts that an update uses, and of those that the prompt filter has dropped."""

    kept: Tensor
    dropped: Tensor


def run_round(
    trainer: Trainer,
    engine: RolloutEngine,
    prompts: Sequence[Prompt],
    setup: TrainingSetup,
    reward: RewardFunction,
    *,
    round_index: int,
) -> RoundResult:
    """Run round ``round_index`` (from 0) on its prompts and update the trainer's policy."""
    cycles: list[MeasuredRollouts] = []
    updates: list[UpdateResult] = []
    sampling = grading = updating = 0.0
    rate = 0.0
    size = len(prompts) // setup.num_cycles
    for cycle in range(setup.num_cycles):
        collected = _collect(
            trainer,
            engine,
            prompts[cycle * size : (cycle + 1) * size],
            setup,
            reward,
            round_index,
        )
        started = time.perf_counter()
        batch = to_batch(collected.rollouts)
        mini_batches = _mini_batches(batch, setup)
        # As the updates will compute them: until the policy moves, every log-ratio is exactly 0.
        before = trainer.log_probs(batch, _blocks(mini_batches))
        training_batch = _training_batch(collected.rollouts, batch, before.log_probs, setup)
        with_signal = _with_signal(training_batch)
        sampled_version = trainer.policy_version
        for i, mini_batch in enumerate(mini_batches):
            if len(mini_batch.kept) == 0:
                continue
            has_moved = trainer.policy_version > sampled_version
            rate = learning_rate(
                setup.optimizer,
                update=trainer.policy_version,
                round_index=round_index,
                num_rounds=setup.training.num_rounds,
            )
            number = cycle * setup.updates_per_cycle + i + 1
            updates.append(
                trainer.update(
                    training_batch if has_moved else with_signal,
                    mini_batch.kept,
                    learning_rate=rate,
                    where=f"{setup.label}, round {round_index + 1}, mini-batch {number}",
                )
            )
        cycles.append(
            _measure(
                trainer,
                collected.rollouts,
                training_batch,
                before.log_probs,
                before.entropy,
                mini_batches,
                setup,
            )
        )
        sampling += collected.sampling_seconds
        grading += collected.grading_seconds
        updating += time.perf_counter() - started
    return RoundResult(
        round_index=round_index + 1,
        policy_version=trainer.policy_version,
        learning_rate=rate,
        cycles=cycles,
        updates=updates,
        num_skipped_updates=setup.num_mini_batches - sum(update.is_made for update in updates),
        sampling_seconds=sampling,
        grading_seconds=grading,
        updating_seconds=updating,
    )


def _collect(
    trainer: Trainer,
    engine: RolloutEngine,
    prompts: Sequence[Prompt],
    setup: TrainingSetup,
    reward: RewardFunction,
    round_index: int,
) -> Collected:
    return collect_rollouts(
        engine,
        trainer.whole_policy(),
        prompts,
        num_samples=setup.group_size,
        sampling=setup.training.sampling,
        seeds=[
            derive_seed(setup.seed, "rollout", round_index, prompt.problem_id) for prompt in prompts
        ],
        reward=reward,
        length_penalty=length_penalty_of(setup.rewards),
    )


def _training_batch(
    rollouts: list[Rollout], batch: RolloutBatch, trainer_log_probs: Tensor, setup: TrainingSetup
) -> TrainingBatch:
    training, algorithm = setup.training, setup.algorithm
    per_rollout = rollout_weights(algorithm, batch.rewards, batch.group_ids)
    per_token = None
    if training.importance_weights is not None:
        cap = training.importance_weights.cap
        log_probs = (trainer_log_probs, batch.sampler_log_probs, batch.response_mask)
        if training.importance_weights.level == "sequence":
            per_rollout = per_rollout * sequence_importance_weights(*log_probs, cap=cap)
        else:
            per_token = token_importance_weights(*log_probs, cap=cap)
    return TrainingBatch(
        rollouts=batch,
        names=[f"{rollout.problem_id}#{rollout.sample_index}" for rollout in rollouts],
        behaviour_log_probs=trainer_log_probs
        if training.behaviour_log_probs == "trainer"
        else batch.sampler_log_probs,
        advantages=advantages_of(algorithm, batch.rewards, batch.group_ids),
        rollout_weights=per_rollout,
        token_weights=per_token,
    )


def _with_signal(batch: TrainingBatch) -> TrainingBatch:
    """Return the batch for a policy that has not moved since it sampled it.

    The exact update of a group whose rewards are all equal is to stay where it is. A policy that
    has not moved is there; only a sampler's own log-probs, which differ a little, would say that it
    is not.
    """
    rollouts = batch.rollouts
    has_signal = groups_with_signal(rollouts.rewards, rollouts.group_ids)
    return replace(batch, rollout_weights=batch.rollout_weights * has_signal)


def _mini_batches(batch: RolloutBatch, setup: TrainingSetup) -> list[_MiniBatch]:
    bounds = setup.algorithm.prompt_filter
    kept = torch.ones(len(batch), dtype=torch.bool)
    if bounds is not None:
        kept = groups_within_bounds(
            batch.rewards, batch.group_ids, low=bounds.low, high=bounds.high
        )
    return [
        _MiniBatch(kept=rows[kept[rows]], dropped=rows[~kept[rows]])
        for rows in mini_batch_rows(batch.group_ids, setup.updates_per_cycle)
    ]


def _blocks(mini_batches: Sequence[_MiniBatch]) -> list[Tensor]:
    """Return the rows that are computed together: what an update uses stays by itself."""
    blocks = [rows for part in mini_batches for rows in (part.kept, part.dropped)]
    return [rows for rows in blocks if len(rows) > 0]


def _measure(
    trainer: Trainer,
    rollouts: list[Rollout],
    batch: TrainingBatch,
    trainer_log_probs: Tensor,
    entropy: Tensor,
    mini_batches: Sequence[_MiniBatch],
    setup: TrainingSetup,
) -> MeasuredRollouts:
    mask = batch.rollouts.response_mask
    measures_all = setup.training.measured_rollouts == "round"
    blocks = _blocks(mini_batches if measures_all else mini_batches[-1:])
    after = trainer.log_probs(batch.rollouts, blocks).log_probs
    log_ratios = torch.full((len(rollouts),), torch.nan)
    rows = torch.cat(blocks)
    log_ratios[rows] = (after - batch.behaviour_log_probs)[rows].sum(dim=1)
    lengths = mask.sum(dim=1).clamp(min=1)
    return MeasuredRollouts(
        rollouts=rollouts,
        advantages=batch.advantages.numpy(),
        behaviour_log_probs=batch.behaviour_log_probs.sum(dim=1).numpy(),
        sequence_log_ratios=log_ratios.numpy(),
        mean_entropies=(entropy.sum(dim=1) / lengths).numpy(),
        trainer_log_probs=trainer_log_probs[mask].numpy(),
        sampler_log_probs=batch.rollouts.sampler_log_probs[mask].numpy()
        if setup.training.sampling.keeps_full_support
        else None,
    )
