"""What crosses the boundaries between the rooms of this package.

Processes that score responses import this module, so it imports no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Metadata = Mapping[str, Any]
"""What else the data says of a problem: a JSON object, for rewards that need it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem with its reference answer.

    Attributes:
        problem_id: Unique within an experiment.
        problem: The text that a person would read, without any prompt template.
        answer: The reference answer, as text; None where the data has none, which only some
            rewards allow.
        source: Where it comes from; for evaluation problems the name of the evaluation set. Who
            makes problems need not say, nor give the split.
        split: ``"train"`` or ``"eval"``.
        metadata: What else the data says of the problem, JSON values.
        turns: Of a problem that is given as a chat: its turns, ``{"role": ..., "content": ...}``,
            which go through the chat template as they are; ``problem`` is its last user turn.
    """

    problem_id: str
    problem: str
    answer: str | None
    source: str = ""
    split: str = ""
    metadata: Metadata = field(default_factory=dict)
    turns: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A problem as the policy sees it.

    Attributes:
        problem_id: The problem's id.
        token_ids: The rendered prompt, special tokens included.
        answer: The reference answer, as text; None where the data has none.
        problem: The problem's text, without any prompt template.
        metadata: What else the data says of the problem, JSON values.
    """

    problem_id: str
    token_ids: tuple[int, ...]
    answer: str | None
    problem: str
    metadata: Metadata = field(default_factory=dict)


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
class Score:
    """What a reward function says of one response.

    Attributes:
        reward: Reward units, finite.
        correct: Whether the response is right; None where the reward does not tell right from
            wrong.
        answer: The answer that the response gives, None when there is none; equal texts vote
            together in maj@k.
        reason: Why, in a word or two.
        parts: Of a reward that is made of several: each part's own, by name.
    """

    reward: float
    correct: bool | None = None
    answer: str | None = None
    reason: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)


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
        correct: Whether the response is right; None where the reward does not say.
        grade_reason: Why the reward function decided so.
        reward: Reward units, shaping included.
        parts: Of a reward that is made of several: each part's own, by name.
    """

    problem_id: str
    sample_index: int
    prompt_token_ids: tuple[int, ...]
    completion: Completion
    response: str
    answer: str | None
    correct: bool | None
    grade_reason: str
    reward: float
    parts: Mapping[str, float] = field(default_factory=dict)


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
        ends_phase: True for the state after the last round of a phase of training.
    """

    path: str
    policy_version: int
    num_parameters: int
    sha256: Mapping[str, str]
    base_path: str | None = None
    base_sha256: str | None = None
    ends_phase: bool = False
