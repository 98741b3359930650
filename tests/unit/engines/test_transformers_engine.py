"""The transformers engine: what it returns is what the policy says, whatever the batch."""

import numpy as np
import pytest
import torch

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.log_probs import response_log_probs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Completion

TEXTS = ["274+089?", "1+2?", "12+30?"]


def engine_for(policy: Policy, **options: int) -> TransformersEngine:
    engine = TransformersEngine(TransformersEngineConfig(**options))
    engine.set_policy(policy)
    return engine


def prompts_of(policy: Policy) -> list[list[int]]:
    return [policy.tokenizer(text)["input_ids"] for text in TEXTS]


def token_ids(groups: list[list[Completion]]) -> list[list[tuple[int, ...]]]:
    return [[completion.token_ids for completion in group] for group in groups]


def test_log_probs_are_those_of_the_trainer(tiny_policy: Policy) -> None:
    sampling = SamplingConfig(max_new_tokens=30, temperature=0.8)
    prompts = prompts_of(tiny_policy)
    groups = engine_for(tiny_policy).generate(
        prompts, num_samples=4, sampling=sampling, seeds=[1, 2, 3]
    )
    for prompt, group in zip(prompts, groups, strict=True):
        for completion in group:
            tokens = torch.tensor([completion.token_ids])
            trainer = response_log_probs(
                tiny_policy.model,
                [prompt],
                tokens,
                torch.ones_like(tokens, dtype=torch.bool),
                temperature=0.8,
            )
            np.testing.assert_allclose(
                completion.log_probs, trainer.log_probs[0].detach().numpy(), atol=2e-5
            )


def test_a_response_ends_with_the_stop_token_or_is_truncated(tiny_policy: Policy) -> None:
    sampling = SamplingConfig(max_new_tokens=40)
    groups = engine_for(tiny_policy).generate(
        prompts_of(tiny_policy), num_samples=32, sampling=sampling, seeds=[1, 2, 3]
    )
    completions = [completion for group in groups for completion in group]
    stop = tiny_policy.tokenizer.eos_token_id
    assert {completion.truncated for completion in completions} == {True, False}
    for completion in completions:
        assert stop not in completion.token_ids[:-1]
        assert completion.truncated == (completion.token_ids[-1] != stop)
        assert len(completion.token_ids) == 40 or not completion.truncated


@pytest.mark.parametrize("max_batch_size", [1, 4, 8])
def test_batching_changes_no_token(tiny_policy: Policy, max_batch_size: int) -> None:
    arguments = {
        "num_samples": 4,
        "sampling": SamplingConfig(max_new_tokens=30),
        "seeds": [1, 2, 3],
    }
    prompts = prompts_of(tiny_policy)
    expected = engine_for(tiny_policy).generate(prompts, **arguments)
    engine = engine_for(tiny_policy, max_batch_size=max_batch_size)
    assert token_ids(engine.generate(prompts, **arguments)) == token_ids(expected)


def test_the_same_seeds_repeat_and_others_differ(tiny_policy: Policy) -> None:
    engine = engine_for(tiny_policy)
    arguments = {"num_samples": 2, "sampling": SamplingConfig(max_new_tokens=20)}
    prompts = prompts_of(tiny_policy)
    first = token_ids(engine.generate(prompts, seeds=[1, 2, 3], **arguments))
    assert token_ids(engine.generate(prompts, seeds=[1, 2, 3], **arguments)) == first
    assert token_ids(engine.generate(prompts, seeds=[4, 5, 6], **arguments)) != first


def test_nearly_greedy_sampling_equals_generate(tiny_policy: Policy) -> None:
    prompts = prompts_of(tiny_policy)
    groups = engine_for(tiny_policy).generate(
        prompts,
        num_samples=1,
        sampling=SamplingConfig(max_new_tokens=20, top_k=1),
        seeds=[0, 0, 0],
    )
    for prompt, group in zip(prompts, groups, strict=True):
        generated = tiny_policy.model.generate(
            torch.tensor([prompt]), max_new_tokens=20, do_sample=False
        )[0, len(prompt) :].tolist()
        assert list(group[0].token_ids) == generated


def test_progress_counts_every_response(tiny_policy: Policy) -> None:
    class Counter:
        total = 0

        def update(self, n: float = 1) -> None:
            self.total += int(n)

    counter = Counter()
    engine_for(tiny_policy, max_batch_size=8).generate(
        prompts_of(tiny_policy),
        num_samples=8,
        sampling=SamplingConfig(max_new_tokens=30),
        seeds=[1, 2, 3],
        progress=counter,
    )
    assert counter.total == 24


def test_a_response_beyond_the_models_positions_is_refused(tiny_policy: Policy) -> None:
    with pytest.raises(ValueError, match="max_new_tokens 250 exceed the 256 positions"):
        engine_for(tiny_policy).generate(
            prompts_of(tiny_policy),
            num_samples=1,
            sampling=SamplingConfig(max_new_tokens=250),
            seeds=[1, 2, 3],
        )


def test_an_engine_without_a_policy_says_so() -> None:
    engine = TransformersEngine(TransformersEngineConfig())
    with pytest.raises(ValueError, match="call set_policy first"):
        engine.generate([[1]], num_samples=1, sampling=SamplingConfig(max_new_tokens=1), seeds=[0])
