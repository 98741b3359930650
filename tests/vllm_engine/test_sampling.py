"""What the vLLM engine draws: the policy's distribution, by seed, and nothing of the host."""

import os
from collections.abc import Callable

import flask
import numpy as np
import pytest
import torch
from scipy import stats
from vllm_helpers import break_adapter, make_tied_policy

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.engines.errors import EngineFailedError
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.engines.vllm_engine import VllmEngine
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Completion

pytestmark = pytest.mark.vllm

PROMPT = [1, 5, 10, 7, 12]
PROMPTS = [PROMPT, [1, 4, 9], [1, 20], [1, 3, 3, 3, 11, 8]]


def sample(
    engine: RolloutEngine,
    policy: Policy,
    prompts: list[list[int]] = PROMPTS,
    *,
    num_samples: int = 2,
    seeds: list[int] | None = None,
    **sampling: float,
) -> list[list[Completion]]:
    engine.set_policy(policy)
    options = {"max_new_tokens": 12} | sampling
    return engine.generate(
        prompts,
        num_samples=num_samples,
        sampling=SamplingConfig.model_validate(options),
        seeds=list(range(len(prompts))) if seeds is None else seeds,
    )


def tokens_of(groups: list[list[Completion]]) -> list[tuple[int, ...]]:
    return [completion.token_ids for group in groups for completion in group]


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


@pytest.mark.parametrize("options", [{"top_k": 3}, {"top_p": 0.6}, {"temperature": 0.5}])
def test_log_probs_are_those_of_the_distribution_that_is_drawn_from(
    engine: VllmEngine, policy: Policy, options: dict[str, float]
) -> None:
    for prompt, group in zip(
        PROMPTS, sample(engine, policy, max_new_tokens=1, **options), strict=True
    ):
        with torch.no_grad():
            logits = policy.model(torch.tensor([prompt])).logits[0, -1]
        log_probs = (logits / options.get("temperature", 1.0)).log_softmax(-1)
        order = log_probs.argsort(descending=True)
        mass_before = log_probs[order].exp().cumsum(0) - log_probs[order].exp()
        kept = order[: options.get("top_k", 25)]
        kept = kept[mass_before[: len(kept)] < options.get("top_p", 1.0)]
        expected = log_probs[kept].log_softmax(-1)
        for completion in group:
            place = kept.tolist().index(completion.token_ids[0])
            assert completion.log_probs[0] == pytest.approx(float(expected[place]), abs=1e-4)


def test_a_response_ends_with_its_stop_token_or_is_truncated(
    engine: VllmEngine, policy: Policy
) -> None:
    groups = sample(engine, policy, num_samples=64, max_new_tokens=20)
    completions = [completion for group in groups for completion in group]
    assert {completion.truncated for completion in completions} == {True, False}
    for completion in completions:
        stops = [token == 2 for token in completion.token_ids]
        assert not any(stops[:-1])
        assert stops[-1] or (completion.truncated and len(stops) == 20)
        assert len(completion.log_probs) == len(stops)


def test_seeds_repeat_bit_for_bit_and_others_differ(engine: VllmEngine, policy: Policy) -> None:
    first, again = sample(engine, policy), sample(engine, policy)
    other = sample(engine, policy, seeds=[100, 101, 102, 103])
    assert tokens_of(first) == tokens_of(again)
    for a, b in zip(first, again, strict=True):
        assert all(np.array_equal(x.log_probs, y.log_probs) for x, y in zip(a, b, strict=True))
    assert tokens_of(first) != tokens_of(other)


def count_shared(groups: list[list[Completion]]) -> int:
    first, second = ({c.token_ids for c in group} for group in groups)
    return len(first & second)


def test_neighbouring_seeds_share_no_sample(engine: VllmEngine, policy: Policy) -> None:
    groups = sample(engine, policy, [PROMPT, PROMPT], num_samples=8, seeds=[0, 1])
    assert count_shared(groups) == 0


def test_neighbouring_seeds_would_share_samples_as_they_come(
    start_engine: Callable[..., VllmEngine], policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_adapter(monkeypatch, "seeds as they come")
    groups = sample(start_engine(), policy, [PROMPT, PROMPT], num_samples=8, seeds=[0, 1])
    assert count_shared(groups) == 7


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


def test_progress_counts_every_response(engine: VllmEngine, policy: Policy) -> None:
    class Counter:
        total = 0.0

        def update(self, n: float = 1) -> None:
            self.total += n

    counter = Counter()
    engine.set_policy(policy)
    engine.generate(
        PROMPTS,
        num_samples=3,
        sampling=SamplingConfig(max_new_tokens=4),
        seeds=[0, 1, 2, 3],
        progress=counter,
    )
    assert counter.total == 12


def test_more_prompt_tokens_than_a_step_takes_are_sampled_with_their_seeds(
    engine: VllmEngine, policy: Policy
) -> None:
    """vLLM would read the last prompt of a step in part, which fails on a CPU with a seed."""
    rng = np.random.default_rng(0)
    prompts = [[1, *rng.integers(3, 25, size=n).tolist()] for n in rng.integers(100, 400, size=40)]
    groups = sample(engine, policy, prompts, num_samples=4, max_new_tokens=8)
    assert tokens_of(groups) == tokens_of(
        sample(engine, policy, prompts, num_samples=4, max_new_tokens=8)
    )


def test_a_prompt_that_does_not_fit_is_refused_with_the_limit(
    engine: VllmEngine, policy: Policy
) -> None:
    with pytest.raises(ValueError, match="exceed the 512 tokens that vLLM can hold"):
        sample(engine, policy, [[1] * 505])


def test_a_sampler_that_was_killed_says_so(
    start_engine: Callable[..., VllmEngine], policy: Policy
) -> None:
    engine = start_engine()
    sample(engine, policy)
    os.kill(engine.process_ids[0], 9)
    with pytest.raises(EngineFailedError, match="vLLM ended with signal 9"):
        sample(engine, policy)
