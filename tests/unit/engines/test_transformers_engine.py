"""The transformers engine: every engine's contract, and what is its own."""

import heapq
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from engine_contract import PROMPTS, EngineContract, sample, tokens_of
from transformers import Qwen3Config, Qwen3ForCausalLM
from vllm_helpers import make_tied_policy

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines import transformers_engine
from pmd_pipeline.engines.errors import WrongLogProbsError
from pmd_pipeline.engines.growing_cache import GrowingLayer
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.policies.embedded import VOCABULARY, build_tokenizer
from pmd_pipeline.policies.log_probs import response_log_probs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.records import Completion


@pytest.fixture
def engine() -> Iterator[TransformersEngine]:
    engine = TransformersEngine(TransformersEngineConfig())
    yield engine
    engine.close()


@pytest.fixture
def policy() -> Policy:
    return make_tied_policy()


class TestContract(EngineContract):
    """Every test of the contract."""


def test_it_passes_groups_on_while_it_samples_others(policy: Policy) -> None:
    engine = TransformersEngine(TransformersEngineConfig(max_batch_size=2))
    early: dict[int, list[Completion]] = {}
    groups = engine.generate(
        PROMPTS,
        version=engine.publish(policy),
        num_samples=2,
        sampling=SamplingConfig(max_new_tokens=12),
        seeds=[0, 1, 2, 3],
        group_finished=early.__setitem__,
    )
    assert len(early) == len(PROMPTS) - 1
    assert all(groups[position] is group for position, group in early.items())


def count_decoded_rows(policy: Policy) -> list[int]:
    """Return a list that grows by the rows of each step of one new token."""
    counts: list[int] = []

    def hook(module: torch.nn.Module, arguments: tuple[object, ...], options: dict) -> None:
        rows, width = options["input_ids"].shape
        if width == 1:
            counts.append(rows)

    policy.model.register_forward_pre_hook(hook, with_kwargs=True)
    return counts


def test_a_finished_row_is_computed_no_further(engine: TransformersEngine, policy: Policy) -> None:
    sample(engine, policy)  # the probe is over
    decoded = count_decoded_rows(policy)
    prompts = [prompt for prompt in PROMPTS if len(prompt) > 1]
    groups = sample(engine, policy, prompts, num_samples=16, max_new_tokens=60)
    lengths = [len(tokens) for tokens in tokens_of(groups)]
    assert max(lengths) > 2 * np.mean(lengths)
    # The prompt's own pass gives a response's first token.
    assert sum(decoded) == sum(length - 1 for length in lengths)


def num_steps(lengths: list[int], num_rows: int) -> int:
    """Return how many steps responses take that begin in order, each in the first free row."""
    free_at = [0] * num_rows
    for length in lengths:
        heapq.heapreplace(free_at, free_at[0] + length)
    return max(free_at)


def test_a_waiting_response_takes_a_finished_ones_place_at_once(policy: Policy) -> None:
    engine = TransformersEngine(TransformersEngineConfig(max_batch_size=6))
    sample(engine, policy)  # the probe is over
    decoded = count_decoded_rows(policy)
    prompts = [prompt for prompt in PROMPTS if len(prompt) > 1]
    by_length = sorted(prompts, key=len)
    groups = sample(engine, policy, by_length, num_samples=16, max_new_tokens=60)
    lengths = [len(tokens) for tokens in tokens_of(groups)]
    assert sum(decoded) == sum(length - 1 for length in lengths)
    assert len(decoded) == num_steps(lengths, 6) - 1
    assert max(decoded) == 6


def test_each_prompt_is_read_once(policy: Policy) -> None:
    engine = TransformersEngine(TransformersEngineConfig(max_batch_size=4))
    sample(engine, policy)  # the probe is over
    read: list[int] = []

    def hook(module: torch.nn.Module, arguments: tuple[object, ...], options: dict) -> None:
        if options["input_ids"].shape[1] > 1:
            read.append(len(options["input_ids"]))

    policy.model.register_forward_pre_hook(hook, with_kwargs=True)
    sample(engine, policy, [prompt for prompt in PROMPTS if len(prompt) > 1], num_samples=16)
    assert sum(read) == 3


def test_a_response_that_begins_late_has_the_log_probs_of_one_alone(policy: Policy) -> None:
    crowded = TransformersEngine(TransformersEngineConfig(max_batch_size=5))
    alone = TransformersEngine(TransformersEngineConfig(max_batch_size=1))
    options = {"num_samples": 4, "max_new_tokens": 30}
    last = max(range(len(PROMPTS)), key=lambda i: len(PROMPTS[i]))  # short prompts come first
    late = sample(crowded, policy, **options)[last]
    (expected,) = sample(alone, policy, [PROMPTS[last]], seeds=[last], **options)
    for a, b in zip(late, expected, strict=True):
        assert a.token_ids == b.token_ids
        np.testing.assert_allclose(a.log_probs, b.log_probs, atol=2e-5)


@pytest.mark.parametrize("max_batch_size", [1, 4, 8])
def test_batching_changes_no_token(
    engine: TransformersEngine, policy: Policy, max_batch_size: int
) -> None:
    expected = sample(engine, policy, num_samples=4, max_new_tokens=30)
    smaller = TransformersEngine(TransformersEngineConfig(max_batch_size=max_batch_size))
    groups = sample(smaller, policy, num_samples=4, max_new_tokens=30)
    assert tokens_of(groups) == tokens_of(expected)


def assert_trainer_agrees(policy: Policy, groups: list[list[Completion]]) -> None:
    for prompt, group in zip(PROMPTS, groups, strict=True):
        for completion in group:
            tokens = torch.tensor([completion.token_ids])
            mask = torch.ones_like(tokens, dtype=torch.bool)
            trainer = response_log_probs(policy.model, [prompt], tokens, mask, temperature=1.0)
            np.testing.assert_allclose(
                completion.log_probs, trainer.log_probs[0].detach().numpy(), atol=2e-5
            )


def test_log_probs_are_the_trainers_beyond_the_caches_first_room(
    engine: TransformersEngine, policy: Policy
) -> None:
    policy.model.generation_config.eos_token_id = policy.tokenizer.eos_token = None
    groups = sample(engine, policy, num_samples=1, max_new_tokens=300)
    assert [len(tokens) for tokens in tokens_of(groups)] == [300] * 4
    assert_trainer_agrees(policy, groups)


def test_layers_with_a_sliding_window_are_decoded_too(engine: TransformersEngine) -> None:
    config = Qwen3Config(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=128,
        initializer_range=0.2,
        use_sliding_window=True,
        sliding_window=8,
        layer_types=["full_attention", "sliding_attention"],
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    policy = Policy(model=Qwen3ForCausalLM(config).eval(), tokenizer=build_tokenizer())
    groups = sample(engine, policy, max_new_tokens=40)
    assert max(len(tokens) for tokens in tokens_of(groups)) > 16
    assert_trainer_agrees(policy, groups)


def test_a_response_beyond_the_models_positions_is_refused(
    engine: TransformersEngine, policy: Policy
) -> None:
    with pytest.raises(ValueError, match="max_new_tokens 510 exceed the 512 positions"):
        sample(engine, policy, max_new_tokens=510)


def test_an_engine_without_a_policy_says_so(engine: TransformersEngine) -> None:
    with pytest.raises(ValueError, match="call publish first"):
        engine.generate(
            [[1]], version=0, num_samples=1, sampling=SamplingConfig(max_new_tokens=1), seeds=[0]
        )


def forget_which_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the cache drop the last rows whichever should go, as states in modules would."""

    def keep_first(
        layer: GrowingLayer, sources: torch.Tensor, targets: torch.Tensor, num_rows: int
    ) -> None:
        original(layer, targets, targets, num_rows)

    original = GrowingLayer.move
    monkeypatch.setattr(GrowingLayer, "move", keep_first)


def test_rows_that_lose_their_state_stop_the_run_before_it_samples(
    engine: TransformersEngine, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_which_rows(monkeypatch)
    groups: list[int] = []
    version = engine.publish(policy)
    with pytest.raises(WrongLogProbsError, match=r"LlamaForCausalLM gives other log-probs .* nats"):
        engine.generate(
            PROMPTS,
            version=version,
            num_samples=2,
            sampling=SamplingConfig(max_new_tokens=12),
            seeds=[0, 1, 2, 3],
            group_finished=lambda position, group: groups.append(position),
        )
    assert groups == []


def test_the_probe_runs_once_and_leaves_no_trace(
    engine: TransformersEngine, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    prove = transformers_engine.prove_sampler
    monkeypatch.setattr(
        transformers_engine, "prove_sampler", lambda *a: (calls.append(1), prove(*a))
    )
    torch.manual_seed(3)
    random_state = torch.get_rng_state()
    first, again = sample(engine, policy), sample(engine, policy)
    assert calls == [1]
    assert torch.equal(torch.get_rng_state(), random_state)
    for a, b in zip(first, again, strict=True):
        assert all(np.array_equal(x.log_probs, y.log_probs) for x, y in zip(a, b, strict=True))
