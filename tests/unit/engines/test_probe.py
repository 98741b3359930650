"""The probe tells right log-probs from wrong ones, and a stale sampler from a fresh one."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from transformers.modeling_outputs import CausalLMOutput

from pmd_pipeline.engines.errors import StaleSamplerError, WrongLogProbsError
from pmd_pipeline.engines.probe import (
    FLOAT32_TOLERANCE,
    ProbeText,
    prove_trainer,
    prove_weights,
)
from pmd_pipeline.policies.policy import Policy

TEXTS = [[1, 5, 10, 7, 12], [1, 4, 9]]


def scores(policy: Policy) -> list[ProbeText]:
    """Return what a sampler with this policy's weights would say, from plain logits."""
    scored = []
    for tokens in TEXTS:
        with torch.no_grad():
            logits = policy.model(torch.tensor([tokens])).logits[0, :-1].log_softmax(-1)
        log_probs = logits[range(len(tokens) - 1), tokens[1:]].numpy()
        scored.append(ProbeText(prompt=tokens[:1], response=tokens[1:], log_probs=log_probs))
    return scored


def prove(policy: Policy, scored: list[ProbeText]) -> float:
    return prove_weights(policy, scored, tolerance=FLOAT32_TOLERANCE, sampler="the sampler")


def test_a_sampler_with_the_policys_weights_passes(tiny_policy: Policy) -> None:
    assert prove(tiny_policy, scores(tiny_policy)) < 1e-5


def test_a_sampler_that_missed_an_update_is_named_with_the_difference(tiny_policy: Policy) -> None:
    stale = scores(copy.deepcopy(tiny_policy))
    with torch.no_grad():
        tiny_policy.model.get_output_embeddings().weight.mul_(1.5)
    tiny_policy.policy_version = 7
    with pytest.raises(StaleSamplerError, match=r"the sampler does not have .*version 7"):
        prove(tiny_policy, stale)


def test_a_sampler_whose_log_probs_are_not_numbers_does_not_pass(tiny_policy: Policy) -> None:
    first, *_ = scores(tiny_policy)
    silent = replace(first, log_probs=np.full_like(first.log_probs, np.nan))
    with pytest.raises(StaleSamplerError):
        prove(tiny_policy, [silent])


def test_a_trainer_with_the_models_own_log_probs_passes(tiny_policy: Policy) -> None:
    assert prove_trainer(tiny_policy, scores(tiny_policy)) < 1e-6


def test_a_trainer_with_other_log_probs_is_named_with_the_difference(tiny_policy: Policy) -> None:
    """The model's logits at one position are no longer what its head gives."""
    texts = scores(tiny_policy)
    prove_trainer(tiny_policy, texts)  # the form of the logits is known from here on

    def double(module: nn.Module, arguments: object, output: CausalLMOutput) -> None:
        output.logits[:, 2] *= 2

    tiny_policy.model.register_forward_hook(double)
    with pytest.raises(WrongLogProbsError) as raised:
        prove_trainer(tiny_policy, texts)
    message = str(raised.value)
    assert "Qwen3ForCausalLM" in message
    assert "nats on average over 6 tokens of 2 texts" in message
    assert "at token 3 of text 1" in message
    assert "docs/models.md" in message
