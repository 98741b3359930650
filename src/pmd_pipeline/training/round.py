"""One round: sample a batch of groups from the current policy, grade, update by mini-batches."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards import RewardFunction
from pmd_pipeline.rewards.length_penalty import length_penalty_of
from pmd_pipeline.rollouts.collect import Collected, collect_rollouts
from pmd_pipeline.seeds import derive_seed
from pmd_pipeline.training.cycle import Cycle, MeasuredRollouts
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.trainer import Trainer
from pmd_pipeline.training.update import UpdateResult


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
    for index in range(setup.num_cycles):
        these = prompts[index * size : (index + 1) * size]
        collected = _collect(trainer, engine, these, setup, reward, round_index)
        started = time.perf_counter()
        source = setup.behaviour_source(
            runs_policy_model=engine.runs_policy_model, precision=trainer.whole_policy().precision
        )
        cycle = Cycle(trainer, collected.rollouts, setup, source)
        updates += cycle.update(round_index, first_number=index * setup.updates_per_cycle + 1)
        cycles.append(cycle.measure())
        rate = rate if cycle.learning_rate is None else cycle.learning_rate
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
