"""A recorded pass gives the bits of the model's own code, or is not used."""

from functools import wraps

import numpy as np
import pytest
import torch
from engine_contract import PROMPTS, sample, tokens_of
from transformers import LlamaConfig, LlamaForCausalLM
from vllm_helpers import make_tied_policy, update

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.engines.grouped_attention import grouped_attention
from pmd_pipeline.engines.growing_cache import growing_cache
from pmd_pipeline.engines.traced_step import kind_of, trace_step
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Completion

NUM_TOKENS = 44


def long_samples(policy: Policy) -> list[list[Completion]]:
    """Return responses long enough for a recording, more than are decoded at a time."""
    policy.model.generation_config.eos_token_id = policy.tokenizer.eos_token = None
    engine = TransformersEngine(TransformersEngineConfig(max_batch_size=3))
    return sample(engine, policy, num_samples=1, max_new_tokens=NUM_TOKENS)


def without_recording(policy: Policy) -> list[list[Completion]]:
    """Return the same with the model's own code: a hook wants to be called."""
    hook = policy.model.register_forward_hook(lambda *_: None)
    try:
        return long_samples(policy)
    finally:
        hook.remove()


def assert_same_bits(found: list[list[Completion]], expected: list[list[Completion]]) -> None:
    assert tokens_of(found) == tokens_of(expected)
    for a, b in zip(found, expected, strict=True):
        assert all(np.array_equal(x.log_probs, y.log_probs) for x, y in zip(a, b, strict=True))


def test_the_bits_are_those_of_the_models_own_code_before_and_after_an_update() -> None:
    policy = make_tied_policy()
    assert_same_bits(long_samples(policy), without_recording(policy))
    update(policy)
    assert_same_bits(long_samples(policy), without_recording(policy))


def test_the_models_own_code_is_left_out_after_some_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = make_tied_policy()
    long_samples(policy)
    calls: list[int] = []
    forward = LlamaForCausalLM.forward

    @wraps(forward)
    def counted(*arguments: object, **options: object) -> object:
        calls.append(1)
        return forward(*arguments, **options)

    monkeypatch.setattr(LlamaForCausalLM, "forward", counted)
    long_samples(make_tied_policy(seed=1))  # another model of the kind
    assert len(calls) < NUM_TOKENS


def recorded(model: LlamaForCausalLM) -> object:
    cache = growing_cache(model.config)
    with torch.no_grad(), grouped_attention(model):
        model(torch.tensor([PROMPTS[0]]), past_key_values=cache)
        return trace_step(model, cache, has_mask=True)


@pytest.mark.parametrize("rope_type", ["linear", "dynamic"])
def test_a_model_that_looks_at_what_its_tensors_hold_is_not_recorded(rope_type: str) -> None:
    config: LlamaConfig = make_tied_policy().model.config
    config.rope_parameters = {"rope_theta": 1e4, "rope_type": rope_type, "factor": 2.0}
    # Rotations of the kind "dynamic" depend on the largest position.
    assert (recorded(LlamaForCausalLM(config).eval()) is None) == (rope_type == "dynamic")


def test_models_that_differ_in_code_or_shape_are_of_different_kinds() -> None:
    policy, other = make_tied_policy(), make_tied_policy(num_key_value_heads=2)
    assert kind_of(policy.model) == kind_of(make_tied_policy(seed=1).model)
    assert kind_of(policy.model) != kind_of(other.model)
    policy.model.register_forward_hook(lambda *_: None)
    assert kind_of(policy.model) is None
