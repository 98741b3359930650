"""What crosses the boundaries between the rooms of this package.

Shapes: B rollouts, T tokens (the longest response of the batch).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem with its reference answer.

    Attributes:
        problem_id: Unique within an experiment.
        problem: The text that a person would read, without any prompt template.
        answer: The reference answer, as text.
        source: Where it comes from; for evaluation problems the name of the evaluation set.
        split: ``"train"`` or ``"eval"``.
    """

    problem_id: str
    problem: str
    answer: str
    source: str
    split: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A problem as the policy sees it.

    Attributes:
        problem_id: The problem's id.
        token_ids: The rendered prompt, special tokens included.
        answer: The reference answer, as text.
    """

    problem_id: str
    token_ids: tuple[int, ...]
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One sampled response, as an engine returns it.

    Attributes:
        token_ids: The sampled tokens; the stop token is the last one when one was sampled.
        log_probs: The sampler's log-prob of each token under the distribution that it was drawn
            from (temperature, top_p and top_k applied), nats; same length as ``token_ids``.
        truncated: True when the token limit was reached before a stop token.
    """

    token_ids: tuple[int, ...]
    log_probs: np.ndarray
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One prompt, one response and its reward: a row of a rollout table.

    Attributes:
        problem_id: The problem's id.
        sample_index: Position in the group, from 0.
        prompt_token_ids: The prompt.
        completion: The sampled response.
        response: The response as text, special tokens left out.
        answer: The extracted answer, None when there is none.
        correct: True when the answer equals the reference answer.
        grade_reason: Why the grader decided so.
        reward: Reward units, shaping included.
    """

    problem_id: str
    sample_index: int
    prompt_token_ids: tuple[int, ...]
    completion: Completion
    response: str
    answer: str | None
    correct: bool
    grade_reason: str
    reward: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutBatch:
    """Rollouts as tensors, right-padded; the example has two rollouts of one group.

    ::

        prompts        <bos> 2 + 3 ?          responses   \\boxed{ 5 } <eos>
                       <bos> 2 + 3 ?                      \\boxed{ 7 } <eos>
        response_mask  [[1, 1, 1, 1], [1, 1, 1, 1]]       group_ids [0, 0]

    Attributes:
        prompt_token_ids: Prompts, a list of B lists.
        response_token_ids: Padding holds 0.
        response_mask: True on tokens that the policy sampled (the stop token included).
        sampler_log_probs: The sampler's log-probs, nats; padding holds 0.
        rewards: Reward units.
        group_ids: Rollouts of one prompt share an id.
    """

    prompt_token_ids: list[list[int]]
    response_token_ids: Int64[Tensor, "B T"]
    response_mask: Bool[Tensor, "B T"]
    sampler_log_probs: Float32[Tensor, "B T"]
    rewards: Float64[Tensor, " B"]
    group_ids: Int64[Tensor, " B"]

    def __len__(self) -> int:
        return len(self.prompt_token_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyManifest:
    """A policy on disk, by reference: what a pipeline passes from stage to stage.

    Attributes:
        path: Folder of the model and tokenizer files, relative to the manifest's own folder.
        policy_version: Optimizer updates made since the initial policy (which has 0).
        num_parameters: Parameters of the model.
        sha256: Checksum of each file, by its path beside the manifest.
        base_path: Of an adapter: the folder of the frozen policy that it is on, relative to the
            manifest's own folder; None for a policy with all its weights here.
        base_sha256: Checksum of that policy's manifest.
    """

    path: str
    policy_version: int
    num_parameters: int
    sha256: Mapping[str, str]
    base_path: str | None = None
    base_sha256: str | None = None
