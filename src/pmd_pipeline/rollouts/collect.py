"""Sampling responses, scoring them, and turning them into rollouts."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion, Prompt, Rollout
from pmd_pipeline.rewards import RewardFunction
from pmd_pipeline.rewards.length_penalty import LengthPenalty
from pmd_pipeline.rewards.reward_function import get_ready
from pmd_pipeline.rollouts.scoring import EarlyScoring, ScoredResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Graded rollouts, group after group, and what they cost.

    Attributes:
        rollouts: ``num_samples`` per prompt, in the prompts' order.
        sampling_seconds: Wall time of sampling; scores of responses that were finished early are
            worked out meanwhile.
        grading_seconds: Wall time of what was left to decode and to score after it.
    """

    rollouts: list[Rollout]
    sampling_seconds: float
    grading_seconds: float


def collect_rollouts(
    engine: RolloutEngine,
    policy: Policy,
    prompts: Sequence[Prompt],
    *,
    num_samples: int,
    sampling: SamplingConfig,
    seeds: Sequence[int],
    reward: RewardFunction,
    length_penalty: LengthPenalty | None = None,
    progress: Progress | None = None,
) -> Collected:
    """Sample ``num_samples`` responses per prompt from ``policy`` and score them.

    Args:
        engine: Sampler; it is given the policy's present weights first.
        policy: The policy to sample from.
        prompts: P prompts.
        num_samples: Responses per prompt.
        sampling: Sampling distribution and length limit.
        seeds: One per prompt.
        reward: Scores the responses.
        length_penalty: Taken off the rewards; None for none.
        progress: Told of each finished response.
    """
    started = time.perf_counter()
    get_ready(reward, prompts)
    version = engine.publish(policy)
    with EarlyScoring(reward, policy.tokenizer, prompts) as scoring:
        groups = engine.generate(
            [prompt.token_ids for prompt in prompts],
            version=version,
            num_samples=num_samples,
            sampling=sampling,
            seeds=seeds,
            progress=progress,
            group_finished=scoring.take,
        )
        sampled = time.perf_counter()
        scored = scoring.finish(groups)
    rollouts = [
        _rollout(prompt, i, completion, result, sampling.max_new_tokens, length_penalty)
        for prompt, completions, results in zip(prompts, groups, scored, strict=True)
        for i, (completion, result) in enumerate(zip(completions, results, strict=True))
    ]
    return Collected(
        rollouts=rollouts,
        sampling_seconds=sampled - started,
        grading_seconds=time.perf_counter() - sampled,
    )


def _rollout(
    prompt: Prompt,
    sample_index: int,
    completion: Completion,
    scored: ScoredResponse,
    max_new_tokens: int,
    length_penalty: LengthPenalty | None,
) -> Rollout:
    score = scored.score
    reward = score.reward
    if length_penalty is not None:
        reward -= float(length_penalty.of([len(completion.token_ids)], max_new_tokens)[0])
    return Rollout(
        problem_id=prompt.problem_id,
        sample_index=sample_index,
        prompt_token_ids=prompt.token_ids,
        completion=completion,
        response=scored.response,
        answer=score.answer,
        correct=score.correct,
        grade_reason=score.reason,
        reward=reward,
        parts=score.parts,
    )
