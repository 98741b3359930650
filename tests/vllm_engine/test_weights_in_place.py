"""New weights reach the running sampler, all of them, or the run stops."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from vllm_helpers import break_adapter, make_mixture_policy, make_tied_policy, update

from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines import vllm_engine
from pmd_pipeline.engines.errors import StaleSamplerError
from pmd_pipeline.engines.vllm_engine import VllmEngine
from pmd_pipeline.policies.log_probs import response_log_probs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Completion

SAMPLING = SamplingConfig(max_new_tokens=12)
pytestmark = pytest.mark.vllm

PROMPTS = [[1, 5, 10, 7, 12], [1, 4, 9]]
# Longer than a block of the prefix cache, which has 128 tokens on a CPU.
LONG_PROMPT = [1, *np.random.default_rng(0).integers(3, 25, size=300).tolist()]


def sample(engine: VllmEngine, policy: Policy, prompts: list[list[int]]) -> list[Completion]:
    groups = engine.generate(
        prompts,
        version=engine.publish(policy),
        num_samples=2,
        sampling=SAMPLING,
        seeds=list(range(len(prompts))),
    )
    return [completion for group in groups for completion in group]


def largest_error(policy: Policy, prompts: list[list[int]], completions: list[Completion]) -> float:
    """Return the largest difference of the completions' log-probs to the policy's own."""
    errors = []
    for i, completion in enumerate(completions):
        tokens = torch.tensor([completion.token_ids])
        expected = response_log_probs(
            policy.model,
            [prompts[i // 2]],
            tokens,
            torch.ones_like(tokens, dtype=torch.bool),
            temperature=1.0,
        ).log_probs[0]
        errors.append(np.abs(expected.detach().numpy() - completion.log_probs).max())
    return float(max(errors))


def test_after_an_update_log_probs_are_the_new_policys(engine: VllmEngine, policy: Policy) -> None:
    assert largest_error(policy, PROMPTS, sample(engine, policy, PROMPTS)) < 1e-4
    former = copy.deepcopy(policy)
    update(policy)
    completions = sample(engine, policy, PROMPTS)
    assert largest_error(policy, PROMPTS, completions) < 1e-4
    assert largest_error(former, PROMPTS, completions) > 0.1


def test_going_back_to_former_weights_gives_the_same_samples_bit_for_bit(
    engine: VllmEngine, policy: Policy
) -> None:
    before = sample(engine, policy, PROMPTS)
    other = make_tied_policy(seed=5)
    between = sample(engine, other, PROMPTS)
    after = sample(engine, policy, PROMPTS)
    assert [c.token_ids for c in before] == [c.token_ids for c in after]
    assert all(np.array_equal(a.log_probs, b.log_probs) for a, b in zip(before, after, strict=True))
    assert [c.token_ids for c in before] != [c.token_ids for c in between]


def test_the_process_is_not_restarted_and_the_policy_not_changed(
    engine: VllmEngine, policy: Policy
) -> None:
    sample(engine, policy, PROMPTS)
    processes, weights = engine.process_ids, copy.deepcopy(policy.model.state_dict())
    update(policy)
    update(policy, scale=-0.1)
    sample(engine, policy, PROMPTS)
    assert engine.process_ids == processes
    for name, weight in policy.model.state_dict().items():
        torch.testing.assert_close(weight, weights[name], rtol=0, atol=1e-6)


def test_a_policy_that_the_sampler_has_is_not_sent_again(
    engine: VllmEngine, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample(engine, policy, PROMPTS)
    monkeypatch.setattr(
        vllm_engine, "weights_folder", lambda *_: pytest.fail("weights were sent again")
    )
    assert len(sample(engine, policy, PROMPTS)) == 4


def test_keys_and_values_of_former_weights_are_forgotten(
    engine: VllmEngine, policy: Policy
) -> None:
    sample(engine, policy, [LONG_PROMPT])
    update(policy)
    assert largest_error(policy, [LONG_PROMPT], sample(engine, policy, [LONG_PROMPT])) < 1e-4


def test_without_the_reset_former_keys_and_values_would_spoil_samples(
    start_engine: Callable[..., VllmEngine], policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_adapter(monkeypatch, "prefix cache kept")
    engine = start_engine()
    sample(engine, policy, [LONG_PROMPT])
    update(policy)
    assert largest_error(policy, [LONG_PROMPT], sample(engine, policy, [LONG_PROMPT])) > 0.01


def test_a_stale_tied_output_head_stops_the_run(
    start_engine: Callable[..., VllmEngine], policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the repacking, vLLM keeps the former head on a CPU and says nothing."""
    if torch.cuda.is_available():
        pytest.skip("on a GPU the output head has no packed copy")
    break_adapter(monkeypatch, "stale output head")
    engine = start_engine()
    sample(engine, policy, PROMPTS)
    update(policy)
    with pytest.raises(StaleSamplerError, match="does not have the policy's weights"):
        sample(engine, policy, PROMPTS)


def test_the_experts_of_a_mixture_are_the_new_policys(
    start_engine: Callable[..., VllmEngine],
) -> None:
    policy, engine = make_mixture_policy(), start_engine()
    sample(engine, policy, PROMPTS)
    update(policy)
    assert largest_error(policy, PROMPTS, sample(engine, policy, PROMPTS)) < 1e-4


def test_stale_experts_stop_the_run(
    start_engine: Callable[..., VllmEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the packing, vLLM computes on a CPU with experts that are in no layout it knows."""
    if torch.cuda.is_available():
        pytest.skip("on a GPU vLLM itself brings experts into their layout")
    break_adapter(monkeypatch, "stale experts")
    policy, engine = make_mixture_policy(), start_engine()
    sample(engine, policy, PROMPTS)
    update(policy)
    with pytest.raises(StaleSamplerError):
        sample(engine, policy, PROMPTS)


def test_in_bfloat16_the_probe_passes_and_log_probs_are_near(
    start_engine: Callable[..., VllmEngine], policy: Policy
) -> None:
    engine = start_engine(precision="bfloat16")
    sample(engine, policy, PROMPTS)
    update(policy, scale=0.02)
    assert largest_error(policy, PROMPTS, sample(engine, policy, PROMPTS)) < 0.5
