"""One round: groups of graded rollouts, sampled now or ahead; updates by mini-batches."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards import RewardFunction
from pmd_pipeline.rollouts.collect import Collected
from pmd_pipeline.training.cycle import Cycle, MeasuredRollouts
from pmd_pipeline.training.round_sampling import sample_now
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
        staleness_updates: Updates between the policy that sampled its rollouts and the one that
            the round began with.
        staleness_rounds: The same in rounds.
        cycles: One, or one per update when on policy.
        updates: One per mini-batch that has a rollout left.
        num_generation_calls: Of the sampler: one per cycle, and one per refill.
        num_skipped_updates: Mini-batches that changed nothing: their gradient was exactly 0, or the
            prompt filter has dropped them whole.
        sampling_seconds, grading_seconds: Wall times of its rollouts; with lag they were sampled
            and graded while earlier rounds were trained.
        updating_seconds: Wall time of its updates and measurements.
        waiting_seconds: Wall time in which nothing was trained: without lag that of sampling and
            grading, with lag what was left of them.
        ahead: Rollouts of the rounds to come that are sampled already, by round (from 0).
    """

    round_index: int
    policy_version: int
    learning_rate: float
    staleness_updates: int
    staleness_rounds: int
    cycles: list[MeasuredRollouts]
    updates: list[UpdateResult]
    num_generation_calls: int
    num_skipped_updates: int
    sampling_seconds: float
    grading_seconds: float
    updating_seconds: float
    waiting_seconds: float
    ahead: Mapping[int, Collected] = field(default_factory=dict)


def run_round(
    trainer: Trainer,
    engine: RolloutEngine,
    prompts: Sequence[Prompt],
    setup: TrainingSetup,
    reward: RewardFunction,
    *,
    others: Iterable[Prompt] = (),
    round_index: int,
    collected: Collected | None = None,
) -> RoundResult:
    """Run round ``round_index`` (from 0) on its prompts and update the trainer's policy.

    Args:
        trainer: Holds the policy.
        engine: What samples.
        prompts: Of the round.
        setup: Algorithm and training.
        reward: Scores the responses.
        others: Further prompts, to fill it; none of its own.
        round_index: From 0.
        collected: Rollouts of the prompts; None: they are sampled now, from the trainer's policy.
    """
    cycles: list[MeasuredRollouts] = []
    updates: list[UpdateResult] = []
    sampling = grading = updating = waiting = 0.0
    rate = 0.0
    num_calls = 0
    others = iter(others)  # what a cycle has drawn, the next ones do not draw again
    first_version = trainer.policy_version
    size = len(prompts) // setup.num_cycles
    for index in range(setup.num_cycles):
        these = prompts[index * size : (index + 1) * size]
        started = time.perf_counter()
        rollouts = collected or sample_now(
            trainer, engine, these, setup, reward, others=others, round_index=round_index
        )
        waiting += time.perf_counter() - started
        started = time.perf_counter()
        source = setup.behaviour_source(
            runs_policy_model=engine.runs_policy_model, precision=trainer.whole_policy().precision
        )
        cycle = Cycle(
            trainer, rollouts.rollouts, setup, source, sampled_version=rollouts.sampled_version
        )
        updates += cycle.update(round_index, first_number=index * setup.updates_per_cycle + 1)
        cycles.append(cycle.measure())
        rate = rate if cycle.learning_rate is None else cycle.learning_rate
        num_calls += rollouts.num_generation_calls
        sampling += rollouts.sampling_seconds
        grading += rollouts.grading_seconds
        updating += time.perf_counter() - started
    return RoundResult(
        round_index=round_index + 1,
        policy_version=trainer.policy_version,
        learning_rate=rate,
        staleness_updates=max(0, first_version - cycles[0].sampled_version),
        staleness_rounds=0 if collected is None else setup.staleness_rounds(round_index),
        cycles=cycles,
        updates=updates,
        num_generation_calls=num_calls,
        num_skipped_updates=setup.num_mini_batches - sum(update.is_made for update in updates),
        sampling_seconds=sampling,
        grading_seconds=grading,
        updating_seconds=updating,
        waiting_seconds=waiting,
    )
