"""Sampling responses, grading them, and turning them into rollouts."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pmd_pipeline.config.rewards import RewardConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Prompt, Rollout
from pmd_pipeline.rewards import GradingPool
from pmd_pipeline.rewards.shaping import shape_rewards


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Graded rollouts, group after group, and what they cost.

    Attributes:
        rollouts: ``num_samples`` per prompt, in the prompts' order.
        sampling_seconds: Wall time of sampling.
        grading_seconds: Wall time of decoding to text and grading.
    """

    rollouts: list[Rollout]
    sampling_seconds: float
    grading_seconds: float


def grading_pool_for(rewards: RewardConfig) -> GradingPool:
    """Return the processes that grade as ``rewards`` says.

    Stages share them, as starting one takes a second or two; they end with this process, or by
    :func:`close_grading_pools`.
    """
    # By process: a forked child has processes of its own.
    key = (os.getpid(), rewards.num_workers, rewards.timeout_seconds)
    if key not in _grading_pools:
        _grading_pools[key] = GradingPool(
            num_workers=rewards.num_workers, timeout_seconds=rewards.timeout_seconds
        )
    return _grading_pools[key]


def close_grading_pools() -> None:
    """End all grading processes; the next :func:`grading_pool_for` starts new ones."""
    while _grading_pools:
        _grading_pools.popitem()[1].close()


_grading_pools: dict[tuple[int, int, float], GradingPool] = {}


def collect_rollouts(
    engine: RolloutEngine,
    policy: Policy,
    prompts: Sequence[Prompt],
    *,
    num_samples: int,
    sampling: SamplingConfig,
    seeds: Sequence[int],
    grading_pool: GradingPool,
    rewards: RewardConfig,
    progress: Progress | None = None,
) -> Collected:
    """Sample ``num_samples`` responses per prompt from ``policy`` and grade them.

    Args:
        engine: Sampler; it is given the policy's present weights first.
        policy: The policy to sample from.
        prompts: P prompts.
        num_samples: Responses per prompt.
        sampling: Sampling distribution and length limit.
        seeds: One per prompt.
        grading_pool: Grader.
        rewards: Reward values, answer convention and length shaping.
        progress: Told of each finished response.
    """
    started = time.perf_counter()
    engine.set_policy(policy)
    groups = engine.generate(
        [prompt.token_ids for prompt in prompts],
        num_samples=num_samples,
        sampling=sampling,
        seeds=seeds,
        progress=progress,
    )
    sampled = time.perf_counter()

    completions = [completion for group in groups for completion in group]
    repeated = [prompt for prompt in prompts for _ in range(num_samples)]
    responses = policy.tokenizer.batch_decode(
        [list(completion.token_ids) for completion in completions], skip_special_tokens=True
    )
    grades = grading_pool.grade_many(
        responses, [prompt.answer or "" for prompt in repeated], rewards.convention
    )
    shaped = shape_rewards(
        np.array([grade.correct for grade in grades], dtype=bool),
        np.array([len(completion.token_ids) for completion in completions], dtype=np.int64),
        sampling.max_new_tokens,
        rewards,
    )
    rollouts = [
        Rollout(
            problem_id=prompt.problem_id,
            sample_index=i % num_samples,
            prompt_token_ids=prompt.token_ids,
            completion=completion,
            response=response,
            answer=grade.answer,
            correct=grade.correct,
            grade_reason=str(grade.reason),
            reward=float(reward),
        )
        for i, (prompt, completion, response, grade, reward) in enumerate(
            zip(repeated, completions, responses, grades, shaped, strict=True)
        )
    ]
    return Collected(
        rollouts=rollouts,
        sampling_seconds=sampled - started,
        grading_seconds=time.perf_counter() - sampled,
    )
