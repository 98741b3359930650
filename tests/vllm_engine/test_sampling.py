"""What the vLLM engine draws: the policy's distribution, by seed, and nothing of the host."""

from collections.abc import Callable

import flask
import numpy as np
import pytest
import torch
from engine_contract import PROMPTS, sample, tokens_of
from scipy import stats
from vllm_helpers import make_tied_policy

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.errors import EngineFailedError
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.engines.vllm_engine import VllmEngine
from pmd_pipeline.policies.policy import Policy

pytestmark = pytest.mark.vllm

PROMPT = PROMPTS[0]


def transformers_engine() -> TransformersEngine:
    return TransformersEngine(TransformersEngineConfig())


def test_greedy_outputs_are_those_of_the_transformers_engine_token_for_token(
    engine: VllmEngine, policy: Policy
) -> None:
    rng = np.random.default_rng(3)
    prompts = [[1, *rng.integers(3, 25, size=n).tolist()] for n in (1, 2, 5, 9, 14, 30)]
    ours = sample(transformers_engine(), policy, prompts, num_samples=1, top_k=1, max_new_tokens=40)
    theirs = sample(engine, policy, prompts, num_samples=1, top_k=1, max_new_tokens=40)
    assert tokens_of(theirs) == tokens_of(ours)


@pytest.mark.parametrize("position", [0, 1])
def test_both_engines_draw_from_one_distribution(
    engine: VllmEngine, policy: Policy, position: int
) -> None:
    counts = [
        np.bincount(
            [c.token_ids[position] for c in group if len(c.token_ids) > position], minlength=25
        )
        for group in (
            sample(candidate, policy, [PROMPT], num_samples=4000, seeds=[11], max_new_tokens=2)[0]
            for candidate in (engine, transformers_engine())
        )
    ]
    table = np.array(counts)
    table = table[:, table.sum(axis=0) >= 10]  # rarer tokens have no chi-squared distribution
    assert table.shape[1] > 5
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_two_copies_give_what_one_gives(
    engine: VllmEngine, start_engine: Callable[..., VllmEngine], policy: Policy
) -> None:
    two = start_engine(data_parallel_size=2)
    copies = sample(two, policy)
    assert len(two.process_ids) == 2
    assert tokens_of(copies) == tokens_of(sample(engine, policy))


def test_weights_divided_over_two_processes_give_the_same_policy(
    start_engine: Callable[..., VllmEngine], engine: VllmEngine
) -> None:
    policy = make_tied_policy(num_key_value_heads=2)
    divided = start_engine(tensor_parallel_size=2)
    expected = sample(transformers_engine(), policy, num_samples=1, top_k=1)
    assert tokens_of(sample(divided, policy, num_samples=1, top_k=1)) == tokens_of(expected)


def test_the_pipelines_process_keeps_its_threads_generator_and_modules(
    engine: VllmEngine, policy: Policy
) -> None:
    """In this process vLLM would stop at Flask's modules, fix the threads and reseed torch."""
    assert flask.__name__ == "flask"
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    sample(engine, policy)
    assert torch.equal(torch.rand(3), expected)
    former = torch.get_num_threads()
    torch.set_num_threads(former + 1)
    assert torch.get_num_threads() == former + 1
    torch.set_num_threads(former)


def test_sleeping_changes_no_sample(engine: VllmEngine, policy: Policy) -> None:
    before = sample(engine, policy)
    engine.sleep()
    assert tokens_of(sample(engine, policy)) == tokens_of(before)


def test_a_prompt_that_does_not_fit_is_refused_with_the_limit(
    engine: VllmEngine, policy: Policy
) -> None:
    with pytest.raises(ValueError, match="exceed the 512 tokens that vLLM can hold"):
        sample(engine, policy, [[1] * 505])


def test_an_interrupted_call_leaves_nothing_behind(engine: VllmEngine, policy: Policy) -> None:
    """Its requests would still run, and its answer would be taken for that of the next call."""

    class Interruption:
        def update(self, n: float = 1) -> None:
            raise KeyboardInterrupt

    expected = sample(engine, policy)
    with pytest.raises(KeyboardInterrupt):
        engine.generate(
            PROMPTS,
            version=policy.policy_version,
            num_samples=64,
            sampling=SamplingConfig(max_new_tokens=200),
            seeds=[0, 1, 2, 3],
            progress=Interruption(),
        )
    assert tokens_of(sample(engine, policy)) == tokens_of(expected)


def test_a_call_that_vllm_refuses_leaves_the_engine_usable(
    engine: VllmEngine, policy: Policy
) -> None:
    expected = sample(engine, policy)
    with pytest.raises(EngineFailedError, match="vLLM: generate: "):
        engine.generate(
            [PROMPT, [1, 10**6]],
            version=policy.policy_version,
            num_samples=1,
            sampling=SamplingConfig(max_new_tokens=4),
            seeds=[0, 1],
        )
    assert tokens_of(sample(engine, policy)) == tokens_of(expected)
