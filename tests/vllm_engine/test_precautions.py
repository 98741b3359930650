"""What the adapter's precautions are for: engines without them, and one that is killed."""

import os
from collections.abc import Callable, Iterator

import pytest
import torch
from engine_contract import PROMPTS, sample
from vllm_helpers import (
    LONG_PROMPT,
    break_adapter,
    largest_error,
    make_mixture_policy,
    make_tied_policy,
    sample_two,
    update,
)

from pmd_pipeline.config.engines import VllmEngineConfig
from pmd_pipeline.engines.errors import EngineFailedError, StaleSamplerError
from pmd_pipeline.engines.vllm_engine import VllmEngine
from pmd_pipeline.policies.policy import Policy

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def careless() -> Iterator[VllmEngine]:
    """An engine without two precautions, of which each test needs one."""
    engine = VllmEngine(VllmEngineConfig(kv_cache_gib=0.25))
    with pytest.MonkeyPatch.context() as patch:
        break_adapter(patch, "seeds as they come", "prefix cache kept")
        engine.publish(make_tied_policy())
    yield engine
    engine.close()


def test_neighbouring_seeds_would_share_samples_as_they_come(
    careless: VllmEngine, policy: Policy
) -> None:
    first, second = sample(careless, policy, PROMPTS[:1] * 2, num_samples=8, seeds=[0, 1])
    assert len({c.token_ids for c in first} & {c.token_ids for c in second}) == 7


def test_without_the_reset_former_keys_and_values_would_spoil_samples(
    careless: VllmEngine, policy: Policy
) -> None:
    sample_two(careless, policy, [LONG_PROMPT])
    update(policy)
    assert largest_error(policy, [LONG_PROMPT], sample_two(careless, policy, [LONG_PROMPT])) > 0.01


def test_a_sampler_that_was_killed_says_so(careless: VllmEngine, policy: Policy) -> None:
    """The last test of this engine, so that no other has to start one in its place."""
    sample_two(careless, policy, PROMPTS)
    os.kill(careless.process_ids[0], 9)
    with pytest.raises(EngineFailedError, match="vLLM ended with signal 9"):
        sample_two(careless, policy, PROMPTS)


def test_a_stale_tied_output_head_stops_the_run(
    start_engine: Callable[..., VllmEngine], policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the repacking, vLLM keeps the former head on a CPU and says nothing."""
    if torch.cuda.is_available():
        pytest.skip("on a GPU the output head has no packed copy")
    break_adapter(monkeypatch, "stale output head")
    engine = start_engine()
    sample_two(engine, policy, PROMPTS)
    update(policy)
    with pytest.raises(StaleSamplerError, match="does not have the policy's weights"):
        sample_two(engine, policy, PROMPTS)


def test_stale_experts_stop_the_run(
    start_engine: Callable[..., VllmEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the packing, vLLM computes on a CPU with experts that are in no layout it knows."""
    if torch.cuda.is_available():
        pytest.skip("on a GPU vLLM itself brings experts into their layout")
    break_adapter(monkeypatch, "stale experts")
    policy, engine = make_mixture_policy(), start_engine()
    sample_two(engine, policy, PROMPTS)
    update(policy)
    with pytest.raises(StaleSamplerError):
        sample_two(engine, policy, PROMPTS)
