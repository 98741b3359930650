"""Sampling responses, scoring them, and turning them into rollouts."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import RolloutEngine, SubmittedPrompts, submit_prompts
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
        sampled_version: Updates that the policy had seen which they are sampled from.
        sampling_seconds: Wall time of sampling; scores of responses that were finished early are
            worked out meanwhile.
        grading_seconds: Wall time of what was left to decode and to score after it.
        num_generation_calls: Times that prompts were submitted.
    """

    rollouts: list[Rollout]
    sampled_version: int
    sampling_seconds: float = 0.0
    grading_seconds: float = 0.0
    num_generation_calls: int = 1


def put_together(first: Collected, second: Collected) -> Collected:
    """Return the rollouts of two calls that sampled from the same version, one after the other."""
    return Collected(
        rollouts=first.rollouts + second.rollouts,
        sampled_version=first.sampled_version,
        sampling_seconds=first.sampling_seconds + second.sampling_seconds,
        grading_seconds=first.grading_seconds + second.grading_seconds,
        num_generation_calls=first.num_generation_calls + second.num_generation_calls,
    )


class SubmittedRollouts:
    """Rollouts that an engine samples; :func:`submit_rollouts` makes it."""

    def __init__(
        self,
        submitted: SubmittedPrompts,
        prompts: Sequence[Prompt],
        *,
        version: int,
        max_new_tokens: int,
        tokenizer: Any,
        reward: RewardFunction,
        length_penalty: LengthPenalty | None,
        progress: Progress | None,
        started: float,
    ) -> None:
        self._submitted = submitted
        self._prompts = prompts
        self._version = version
        self._max_new_tokens = max_new_tokens
        self._tokenizer = tokenizer
        self._reward = reward
        self._length_penalty = length_penalty
        self._progress = progress
        self._started = started

    def collect(self) -> Collected:
        """Return the rollouts when they are sampled and scored; any thread may wait for them."""
        with EarlyScoring(self._reward, self._tokenizer, self._prompts) as scoring:
            groups = self._submitted.collect(progress=self._progress, group_finished=scoring.take)
            sampled = time.perf_counter()
            scored = scoring.finish(groups)
        rollouts = [
            _rollout(prompt, i, completion, result, self._max_new_tokens, self._length_penalty)
            for prompt, completions, results in zip(self._prompts, groups, scored, strict=True)
            for i, (completion, result) in enumerate(zip(completions, results, strict=True))
        ]
        return Collected(
            rollouts=rollouts,
            sampled_version=self._version,
            sampling_seconds=sampled - self._started,
            grading_seconds=time.perf_counter() - sampled,
        )


def submit_rollouts(
    engine: RolloutEngine,
    prompts: Sequence[Prompt],
    *,
    version: int,
    num_samples: int,
    sampling: SamplingConfig,
    seeds: Sequence[int],
    tokenizer: Any,
    reward: RewardFunction,
    length_penalty: LengthPenalty | None = None,
    progress: Progress | None = None,
) -> SubmittedRollouts:
    """Have responses sampled from a published policy, to be collected and scored.

    Args:
        engine: Sampler.
        prompts: P prompts.
        version: What the engine has published.
        num_samples: Responses per prompt.
        sampling: Sampling distribution and length limit.
        seeds: One per prompt.
        tokenizer: Turns tokens into text.
        reward: Scores the responses.
        length_penalty: Taken off the rewards; None for none.
        progress: Told of each finished response.
    """
    started = time.perf_counter()
    get_ready(reward, prompts)
    submitted = submit_prompts(
        engine,
        [prompt.token_ids for prompt in prompts],
        version=version,
        num_samples=num_samples,
        sampling=sampling,
        seeds=seeds,
    )
    return SubmittedRollouts(
        submitted,
        prompts,
        version=version,
        max_new_tokens=sampling.max_new_tokens,
        tokenizer=tokenizer,
        reward=reward,
        length_penalty=length_penalty,
        progress=progress,
        started=started,
    )


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
    """Sample ``num_samples`` responses per prompt from ``policy`` as it is now and score them.

    The policy is published, and the rollouts are submitted and collected; see
    :func:`submit_rollouts`.
    """
    return publish_and_collect(
        engine,
        lambda: policy,
        lambda policy, version: submit_rollouts(
            engine,
            prompts,
            version=version,
            num_samples=num_samples,
            sampling=sampling,
            seeds=seeds,
            tokenizer=policy.tokenizer,
            reward=reward,
            length_penalty=length_penalty,
            progress=progress,
        ),
    )


class Collectable(Protocol):
    """What is being sampled."""

    def collect(self) -> Collected:
        """Return the rollouts when they are sampled and scored."""


def publish_and_collect(
    engine: RolloutEngine,
    gather: Callable[[], Policy],
    submit: Callable[[Policy, int], Collectable],
) -> Collected:
    """Publish a policy, have rollouts submitted from it, and return them.

    Args:
        engine: Sampler.
        gather: Gives the policy as it is to be sampled from.
        submit: Given the policy and its version.

    Returns:
        The rollouts; their time of sampling includes that of gathering and publishing.
    """
    started = time.perf_counter()
    policy = gather()
    version = engine.publish(policy)
    publishing_seconds = time.perf_counter() - started
    collected = submit(policy, version).collect()
    return replace(collected, sampling_seconds=collected.sampling_seconds + publishing_seconds)


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
