"""Memory of trainer and sampler, against bytes counted by hand and those that autograd keeps."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
)

from pmd_pipeline.policies.log_probs import response_log_probs
from pmd_pipeline.policies.output_head import LOGITS_PER_CHUNK
from pmd_pipeline.preflight.memory import (
    kv_cache_bytes_per_token,
    layer_activation_bytes,
    trainer_memory,
)
from pmd_pipeline.preflight.model_shape import ModelShape, model_shape
from pmd_pipeline.preflight.reserved import reserved_findings
from pmd_pipeline.preflight.sampler import plan_sampler, sampler_memory

# Qwen2.5-7B, as published.
SHAPE = ModelShape(
    num_parameters=7_615_616_512,
    num_active_parameters=7_615_616_512,
    largest_layer_parameters=233_057_792,
    num_layers=28,
    num_sparse_layers=0,
    hidden_size=3584,
    num_heads=28,
    num_kv_heads=4,
    head_dim=128,
    feed_forward_size=18944,
    num_experts=0,
    experts_per_token=0,
    expert_size=0,
    has_query_key_norm=False,
    vocabulary_size=152064,
    max_positions=131072,
)
# 130 tokens: no activation has the shape of a weight.
NUM_ROWS, NUM_PROMPT_TOKENS, NUM_RESPONSE_TOKENS = 2, 9, 56
WIDTH = NUM_PROMPT_TOKENS + NUM_RESPONSE_TOKENS


def test_a_token_in_the_cache_by_hand() -> None:
    """Keys and values x layers x heads x width x 2 bytes."""
    assert kv_cache_bytes_per_token(SHAPE, element_bytes=2) == 2 * 28 * 4 * 128 * 2 == 57_344
    qwen3_4b = replace(SHAPE, num_layers=36, num_kv_heads=8)
    assert kv_cache_bytes_per_token(qwen3_4b, element_bytes=2) == 147_456
    qwen3_30b_a3b = replace(SHAPE, num_layers=48, num_kv_heads=4)
    assert kv_cache_bytes_per_token(qwen3_30b_a3b, element_bytes=2) == 98_304
    assert kv_cache_bytes_per_token(qwen3_30b_a3b, element_bytes=4) == 196_608


def test_weights_gradients_and_moments_take_sixteen_bytes_a_parameter() -> None:
    memory = _memory(SHAPE)
    assert memory.weights == memory.gradients == 4 * 7_615_616_512
    assert memory.moments == 8 * 7_615_616_512
    assert memory.resident == 16 * 7_615_616_512
    assert memory.peak >= memory.resident + memory.step_workspace


def test_devices_share_the_state_and_round_up() -> None:
    shape = replace(SHAPE, num_parameters=10)
    assert _memory(shape, num_devices=4).weights == 3 * 4
    assert _memory(SHAPE, num_devices=8).resident == 16 * 7_615_616_512 // 8


def test_a_chunk_of_logits_is_bounded_however_long_the_micro_batch() -> None:
    assert _memory(SHAPE, bfloat16=False).logits == 2 * 4 * LOGITS_PER_CHUNK
    assert _memory(SHAPE, bfloat16=True).logits == (2 * 4 + 2) * LOGITS_PER_CHUNK


def test_a_sequence_longer_than_a_micro_batch_is_computed_all_the_same() -> None:
    short, long = (
        _memory(SHAPE, micro_batch_tokens=tokens).activations for tokens in (1024, 10_240)
    )
    assert short == long < _memory(SHAPE, micro_batch_tokens=20_480).activations


def test_checkpointing_keeps_each_layers_input_and_twice_one_layer() -> None:
    longest = 10_240
    layer = layer_activation_bytes(SHAPE, bfloat16=True, longest=longest)[0]
    kept = 28 * 4 * 3584 + 2 * layer + 3 * 4 * 3584
    memory = _memory(SHAPE, gradient_checkpointing=True, micro_batch_tokens=longest)
    assert memory.activations == longest * kept


@pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "qwen3_moe"])
def test_a_layers_activations_are_those_that_autograd_keeps(kind: str, bfloat16: bool) -> None:
    """The difference that one more layer makes, so that embedding and head cancel out."""
    config = _config(kind, num_layers=2)
    expected = layer_activation_bytes(model_shape(config), bfloat16=bfloat16, longest=WIDTH)[-1]
    two, one = (_kept_bytes(_config(kind, num_layers=n), bfloat16) for n in (2, 1))
    measured = (two - one) / (NUM_ROWS * WIDTH)
    assert expected == pytest.approx(measured, rel=0.02)


def test_with_checkpointing_autograd_keeps_a_layers_input_alone() -> None:
    two, one = (
        _kept_bytes(_config("qwen3", num_layers=n), bfloat16=True, checkpointing=True)
        for n in (2, 1)
    )
    assert (two - one) / (NUM_ROWS * WIDTH) == 4 * 96


def test_vllm_has_its_own_weights_and_one_sequence_is_the_least() -> None:
    plan = plan_sampler(
        {"backend": "vllm", "options": {"tensor_parallel_size": 2}}, trainer_precision="bfloat16"
    )
    memory = sampler_memory(SHAPE, plan, longest_sequence_tokens=10_240)
    assert memory.weights == 7_615_616_512
    assert memory.cache == memory.cache_per_sequence == 10_240 * 57_344 // 2


@pytest.mark.parametrize(
    ("options", "set_aside", "verdicts"),
    [
        ({}, 40, ["ok", "ok"]),  # half of the GPU beside 28.4 GiB of the trainer
        ({"gpu_memory_utilization": 0.8}, 64, ["ok", "failure"]),
        ({"gpu_memory_utilization": 0.1}, 8, ["failure", "ok"]),  # the weights alone take 14.2 GiB
        ({"kv_cache_gib": 10.0}, 10 + 15_231_233_024 / 2**30, ["ok", "ok"]),
    ],
)
def test_what_vllm_sets_aside_holds_a_sequence_and_leaves_room_for_the_trainer(
    options: dict[str, object], set_aside: float, verdicts: list[str]
) -> None:
    plan = plan_sampler({"backend": "vllm", "options": options}, trainer_precision="bfloat16")
    sampler = sampler_memory(SHAPE, plan, longest_sequence_tokens=10_240)
    device_bytes = 80 * 2**30
    assert sampler.reserved(plan, device_bytes=device_bytes) == pytest.approx(set_aside * 2**30)
    trainer = _memory(SHAPE, num_devices=4)
    findings = reserved_findings(trainer, sampler, plan, device_bytes=device_bytes)
    assert [finding.verdict for finding in findings] == verdicts


def test_parts_beyond_the_number_of_heads_share_no_further() -> None:
    plan = plan_sampler(
        {"backend": "vllm", "options": {"tensor_parallel_size": 8}}, trainer_precision="bfloat16"
    )
    memory = sampler_memory(SHAPE, plan, longest_sequence_tokens=1000)
    assert memory.cache == 1000 * 57_344 // 4


def test_the_transformers_engine_samples_with_the_trainers_weights() -> None:
    plan = plan_sampler(
        {"backend": "transformers", "options": {"max_batch_size": 64}}, trainer_precision="float32"
    )
    memory = sampler_memory(SHAPE, plan, longest_sequence_tokens=100)
    assert memory.weights == 0
    assert memory.cache == 64 * 100 * 2 * 57_344  # float32


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "names no backend"),
        ({"backend": "sglang"}, "no engine is called 'sglang'"),
        ({"backend": "transformers", "options": {"batch": 3}}, "batch"),
    ],
)
def test_a_wrong_engine_is_refused_by_name(entry: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_sampler(entry, trainer_precision="float32")


def _memory(shape: ModelShape, **changes: object):  # type: ignore[no-untyped-def]
    arguments: dict[str, object] = {
        "micro_batch_tokens": 20_480,
        "longest_sequence_tokens": 10_240,
        "bfloat16": True,
        "gradient_checkpointing": True,
    }
    return trainer_memory(shape, **(arguments | changes))  # type: ignore[arg-type]


def _config(kind: str, *, num_layers: int) -> PretrainedConfig:
    sizes = {
        "hidden_size": 96,
        "intermediate_size": 208,
        "num_hidden_layers": num_layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 128,
        "tie_word_embeddings": True,
    }
    match kind:
        case "llama":
            return LlamaConfig(**sizes, head_dim=40)
        case "qwen2":
            return Qwen2Config(**sizes)
        case "qwen3":
            return Qwen3Config(**sizes, head_dim=40)
        case _:
            experts = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
            return Qwen3MoeConfig(**sizes, **experts, head_dim=40)


def _kept_bytes(config: PretrainedConfig, bfloat16: bool, checkpointing: bool = False) -> int:
    """Return the bytes of all tensors that autograd keeps of one pass, weights left out."""
    model = AutoModelForCausalLM.from_config(config)
    model.train(checkpointing)
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    # Copies of the weights in bfloat16 are the trainer's working weights, counted apart.
    weight_shapes = {p.shape for p in model.parameters()} | {
        p.shape[::-1] for p in model.parameters()
    }
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        pointer = tensor.untyped_storage().data_ptr()
        if pointer not in weights and tensor.shape not in weight_shapes:
            kept.setdefault(pointer, tensor)
        return tensor

    mask = torch.ones(NUM_ROWS, NUM_RESPONSE_TOKENS, dtype=torch.bool)
    mask[1, -3:] = False  # padding, so that the attention mask is materialised
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=bfloat16),
    ):
        response_log_probs(
            model,
            [[1] * NUM_PROMPT_TOKENS] * NUM_ROWS,
            torch.ones_like(mask, dtype=torch.long),
            mask,
            temperature=1.0,
        )
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
