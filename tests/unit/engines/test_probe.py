"""The probe tells a sampler with the policy's weights from one without."""

import copy

import numpy as np
import pytest
import torch

from pmd_pipeline.engines.errors import StaleSamplerError
from pmd_pipeline.engines.probe import FLOAT32_TOLERANCE, prove_weights
from pmd_pipeline.policies.policy import Policy

TEXTS = [[1, 5, 10, 7, 12], [1, 4, 9]]


def scores(policy: Policy) -> list[tuple[list[int], np.ndarray]]:
    """Return what a sampler with this policy's weights would say, from plain logits."""
    scored = []
    for tokens in TEXTS:
        with torch.no_grad():
            log_probs = policy.model(torch.tensor([tokens])).logits[0, :-1].log_softmax(-1)
        scored.append((tokens, log_probs[range(len(tokens) - 1), tokens[1:]].numpy()))
    return scored


def prove(policy: Policy, scored: list[tuple[list[int], np.ndarray]]) -> float:
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
    (tokens, log_probs), *_ = scores(tiny_policy)
    with pytest.raises(StaleSamplerError):
        prove(tiny_policy, [(tokens, np.full_like(log_probs, np.nan))])
