"""New weights reach the running sampler, all of them, or the run stops."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from vllm_helpers import (
    LONG_PROMPT,
    largest_error,
    make_mixture_policy,
    make_tied_policy,
    sample_two,
    update,
)

from pmd_pipeline.engines import vllm_engine
from pmd_pipeline.engines.vllm_engine import VllmEngine
from pmd_pipeline.policies.policy import Policy

pytestmark = pytest.mark.vllm

PROMPTS = [[1, 5, 10, 7, 12], [1, 4, 9]]


def test_after_an_update_log_probs_are_the_new_policys(engine: VllmEngine, policy: Policy) -> None:
    assert largest_error(policy, PROMPTS, sample_two(engine, policy, PROMPTS)) < 1e-4
    former = copy.deepcopy(policy)
    update(policy)
    completions = sample_two(engine, policy, PROMPTS)
    assert largest_error(policy, PROMPTS, completions) < 1e-4
    assert largest_error(former, PROMPTS, completions) > 0.1


def test_going_back_to_former_weights_gives_the_same_samples_bit_for_bit(
    engine: VllmEngine, policy: Policy
) -> None:
    before = sample_two(engine, policy, PROMPTS)
    other = make_tied_policy(seed=5)
    between = sample_two(engine, other, PROMPTS)
    after = sample_two(engine, policy, PROMPTS)
    assert [c.token_ids for c in before] == [c.token_ids for c in after]
    assert all(np.array_equal(a.log_probs, b.log_probs) for a, b in zip(before, after, strict=True))
    assert [c.token_ids for c in before] != [c.token_ids for c in between]


def test_the_process_is_not_restarted_and_the_policy_not_changed(
    engine: VllmEngine, policy: Policy
) -> None:
    sample_two(engine, policy, PROMPTS)
    processes, weights = engine.process_ids, copy.deepcopy(policy.model.state_dict())
    update(policy)
    update(policy, scale=-0.1)
    sample_two(engine, policy, PROMPTS)
    assert engine.process_ids == processes
    for name, weight in policy.model.state_dict().items():
        torch.testing.assert_close(weight, weights[name], rtol=0, atol=1e-6)


def test_a_policy_that_the_sampler_has_is_not_sent_again(
    engine: VllmEngine, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_two(engine, policy, PROMPTS)
    monkeypatch.setattr(
        vllm_engine, "weights_folder", lambda *_: pytest.fail("weights were sent again")
    )
    assert len(sample_two(engine, policy, PROMPTS)) == 4


def test_keys_and_values_of_former_weights_are_forgotten(
    engine: VllmEngine, policy: Policy
) -> None:
    sample_two(engine, policy, [LONG_PROMPT])
    update(policy)
    assert largest_error(policy, [LONG_PROMPT], sample_two(engine, policy, [LONG_PROMPT])) < 1e-4


def test_the_experts_of_a_mixture_are_the_new_policys(
    start_engine: Callable[..., VllmEngine],
) -> None:
    policy, engine = make_mixture_policy(), start_engine()
    sample_two(engine, policy, PROMPTS)
    update(policy)
    assert largest_error(policy, PROMPTS, sample_two(engine, policy, PROMPTS)) < 1e-4


def test_in_bfloat16_the_probe_passes_and_log_probs_are_near(
    start_engine: Callable[..., VllmEngine], policy: Policy
) -> None:
    engine = start_engine(precision="bfloat16")
    sample_two(engine, policy, PROMPTS)
    update(policy, scale=0.02)
    assert largest_error(policy, PROMPTS, sample_two(engine, policy, PROMPTS)) < 0.5
