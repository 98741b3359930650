"""Whether trainer, sampler and the model itself agree on log-probs, on a few short texts.

A run is probed before it samples anything. A model that computes its logits in a way that is not
known here, or keeps its state where rows cannot follow it, would otherwise train on wrong numbers
without a sign of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pmd_pipeline.engines.errors import StaleSamplerError, WrongLogProbsError
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.log_probs import response_log_probs
from pmd_pipeline.policies.policy import Policy

_NUM_PROMPTS = 4
_MAX_PROMPT_TOKENS = 128  # a CPU reads them if the full policy is in host memory
NUM_PROBE_TOKENS = 8
# Float32 differs by 1e-5 to 3e-5 (largest of many tokens), bfloat16 by 0.02 to 0.04 (mean).
FLOAT32_TOLERANCE = 1e-3
BFLOAT16_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeText:
    """A short text, and what a sampler says of it.

    Attributes:
        prompt: Token ids, at least one.
        response: Token ids.
        log_probs: The sampler's, of the response, nats.
    """

    prompt: Sequence[int]
    response: Sequence[int]
    log_probs: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What samplers are probed with, in the whole run.

    Attributes:
        prompts: Its first ones, cut short.
        num_tokens: Most tokens that are sampled after each.
    """

    prompts: list[list[int]]
    num_tokens: int

    @classmethod
    def of(cls, unit: Unit) -> "Probe":
        """Return the probe of a run whose first unit this is."""
        return cls(
            prompts=[list(each[:_MAX_PROMPT_TOKENS]) for each in unit.prompts[:_NUM_PROMPTS]],
            num_tokens=min(NUM_PROBE_TOKENS, unit.sampling.max_new_tokens),
        )


def tolerance_of(policy: Policy) -> float:
    """Return the largest mean difference that a policy's precision explains, nats."""
    is_exact = policy.precision == "float32" and policy.model.dtype == torch.float32
    return FLOAT32_TOLERANCE if is_exact else BFLOAT16_TOLERANCE


@torch.no_grad()
def prove_trainer(policy: Policy, texts: Sequence[ProbeText]) -> float:
    """Compare the trainer's log-probs with those of the model's own logits.

    The trainer reads all texts at once, the model one after another and whole.

    Returns:
        The mean absolute difference, nats.

    Raises:
        WrongLogProbsError: If it is beyond what the precision explains, or not a number.
    """
    found = _trainer_log_probs(policy, texts)
    expected = [_own_log_probs(policy, text) for text in texts]
    difference = _Difference.of(found, expected)
    if not difference.mean <= tolerance_of(policy):  # NaN too
        raise WrongLogProbsError(
            f"the trainer's log-probs under {type(policy.model).__name__} are not those of the "
            f"model's own logits: {difference} ({tolerance_of(policy):g} on average is allowed). "
            "This architecture is not computed rightly, so the run stops before it trains on "
            "wrong numbers; choose another model: docs/models.md lists those that are tested"
        )
    return difference.mean


@torch.no_grad()
def prove_sampler(policy: Policy, texts: Sequence[ProbeText]) -> float:
    """Compare the log-probs of a sampler that runs the policy's own model with the trainer's.

    Returns:
        The mean absolute difference, nats.

    Raises:
        WrongLogProbsError: If it is beyond what the precision explains, or not a number.
    """
    found = [text.log_probs for text in texts]
    difference = _Difference.of(found, _trainer_log_probs(policy, texts))
    if not difference.mean <= tolerance_of(policy):
        raise WrongLogProbsError(
            f"token by token, {type(policy.model).__name__} gives other log-probs than the trainer "
            f"finds on whole texts: {difference} ({tolerance_of(policy):g} on average is "
            "allowed). Its samples would not be the policy's, so the run stops here; choose "
            "rollout_engine.backend: vllm, or another model: docs/models.md lists those that are "
            "tested"
        )
    return difference.mean


@torch.no_grad()
def prove_weights(
    policy: Policy, texts: Sequence[ProbeText], *, tolerance: float, sampler: str
) -> float:
    """Compare the log-probs of a sampler in another process with the trainer's.

    Args:
        policy: What the sampler should have.
        texts: A few texts.
        tolerance: Largest mean absolute difference, nats.
        sampler: Its name in the message.

    Returns:
        The mean absolute difference, nats.

    Raises:
        StaleSamplerError: If it is larger than ``tolerance``, or not a number.
    """
    found = [text.log_probs for text in texts]
    difference = _Difference.of(found, _trainer_log_probs(policy, texts))
    if not difference.mean <= tolerance:
        raise StaleSamplerError(
            f"{sampler} does not have the policy's weights (version {policy.policy_version}): its "
            f"log-probs differ from the trainer's, {difference}; {tolerance:g} on average is "
            "allowed. Its samples would be another policy's, so the run stops here. If the sampler "
            "computes in a lower precision than the trainer, raise "
            "rollout_engine.options.probe_tolerance"
        )
    return difference.mean


def prove_like(
    proven: Sequence[ProbeText],
    texts: Sequence[ProbeText],
    *,
    version: int,
    tolerance: float,
    sampler: str,
) -> float:
    """Compare a sampler's log-probs with those of one that has been proven, of the same prompts.

    Both have sampled a few tokens; those up to the first that differs are compared.

    Args:
        proven: What the one says that has the policy's weights.
        texts: What the other one says.
        version: The policy's, for the message.
        tolerance: Largest mean absolute difference, nats.
        sampler: The other's name in the message.

    Returns:
        The mean absolute difference, nats.

    Raises:
        StaleSamplerError: If it is larger than ``tolerance``, not a number, or the two agree on no
            token.
    """
    pairs = [(a, b, _num_same(a.response, b.response)) for a, b in zip(proven, texts, strict=True)]
    pairs = [pair for pair in pairs if pair[2] > 0]
    difference = None
    if pairs:
        difference = _Difference.of(
            [b.log_probs[:num] for _, b, num in pairs], [a.log_probs[:num] for a, _, num in pairs]
        )
    if difference is None or not difference.mean <= tolerance:
        found = "they sample other tokens" if difference is None else f"they differ {difference}"
        raise StaleSamplerError(
            f"{sampler}, which joined while others sampled, does not have their weights (version "
            f"{version} of the policy): {found}; {tolerance:g} on average is allowed. Its samples "
            "would be another policy's, so the run stops here"
        )
    return difference.mean


def _num_same(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two texts begin with in common."""
    same = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        same += 1
    return same


@dataclass(frozen=True, slots=True)
class _Difference:
    """Of log-probs, absolute, nats; where the largest is."""

    mean: float
    largest: float
    text: int
    token: int
    num_texts: int
    num_tokens: int

    @classmethod
    def of(cls, found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> "_Difference":
        differences = [np.abs(a - b) for a, b in zip(found, expected, strict=True)]
        text = int(np.argmax([each.max() for each in differences]))
        return cls(
            mean=float(np.concatenate(differences).mean()),
            largest=float(differences[text].max()),
            text=text,
            token=int(differences[text].argmax()),
            num_texts=len(differences),
            num_tokens=sum(map(len, differences)),
        )

    def __str__(self) -> str:
        return (
            f"by {self.mean:.4g} nats on average over {self.num_tokens} tokens of "
            f"{self.num_texts} texts, by {self.largest:.4g} at most, at token {self.token + 1} of "
            f"text {self.text + 1}"
        )


def _trainer_log_probs(policy: Policy, texts: Sequence[ProbeText]) -> list[np.ndarray]:
    lengths = torch.tensor([len(text.response) for text in texts])
    responses = torch.zeros((len(texts), int(lengths.max())), dtype=torch.long)
    for row, text in enumerate(texts):
        responses[row, : len(text.response)] = torch.tensor(text.response)
    with policy.autocast():
        result = response_log_probs(
            policy.model,
            [text.prompt for text in texts],
            responses,
            torch.arange(responses.shape[1]) < lengths[:, None],
            temperature=1.0,
        )
    rows = result.log_probs.cpu().numpy()
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]


def _own_log_probs(policy: Policy, text: ProbeText) -> np.ndarray:
    tokens = torch.tensor([[*text.prompt, *text.response]], device=policy.device)
    with policy.autocast():
        logits = policy.model(input_ids=tokens).logits[0]
    predicted = logits[len(text.prompt) - 1 : -1].float().log_softmax(-1)
    targets = tokens[0, len(text.prompt) :, None]
    log_probs: np.ndarray = predicted.gather(-1, targets)[:, 0].cpu().numpy()
    return log_probs
