"""What is sampled for a round: its prompts' seeds, its group size."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.records import Prompt
from pmd_pipeline.rewards import RewardFunction
from pmd_pipeline.rewards.length_penalty import length_penalty_of
from pmd_pipeline.rollouts.collect import Collected, SubmittedRollouts, submit_rollouts
from pmd_pipeline.seeds import derive_seed
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.trainer import Trainer


def submit_round(
    engine: RolloutEngine,
    prompts: Sequence[Prompt],
    setup: TrainingSetup,
    reward: RewardFunction,
    *,
    round_index: int,
    version: int,
    tokenizer: Any,
) -> SubmittedRollouts:
    """Have the rollouts of a round (from 0), or of some of its prompts, sampled.

    Args:
        engine: What samples.
        prompts: Of the round.
        setup: Algorithm and training.
        reward: Scores the responses.
        round_index: Decides the seeds, with the training seed and the prompt.
        version: Of the policy that the engine has published.
        tokenizer: The policy's.
    """
    return submit_rollouts(
        engine,
        prompts,
        version=version,
        num_samples=setup.group_size,
        sampling=setup.training.sampling,
        seeds=[
            derive_seed(setup.seed, "rollout", round_index, prompt.problem_id) for prompt in prompts
        ],
        tokenizer=tokenizer,
        reward=reward,
        length_penalty=length_penalty_of(setup.rewards),
    )


def sample_now(
    trainer: Trainer,
    engine: RolloutEngine,
    prompts: Sequence[Prompt],
    setup: TrainingSetup,
    reward: RewardFunction,
    *,
    round_index: int,
) -> Collected:
    """Return graded rollouts of the trainer's policy as it is now; see :func:`submit_round`."""
    started = time.perf_counter()
    policy = trainer.whole_policy()
    version = engine.publish(policy)
    publishing_seconds = time.perf_counter() - started
    collected = submit_round(
        engine,
        prompts,
        setup,
        reward,
        round_index=round_index,
        version=version,
        tokenizer=policy.tokenizer,
    ).collect()
    return replace(collected, sampling_seconds=collected.sampling_seconds + publishing_seconds)
