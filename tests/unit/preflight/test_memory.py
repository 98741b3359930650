"""Memory of trainer and sampler, against bytes counted by hand and those that autograd keeps."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
)

from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.policies.embedded import build_tokenizer
from pmd_pipeline.policies.log_probs import response_log_probs
from pmd_pipeline.policies.lora import add_adapter
from pmd_pipeline.policies.output_head import LOGITS_PER_CHUNK
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.preflight.activations import Arithmetic, layer_activation_bytes
from pmd_pipeline.preflight.adapter_shape import AdapterShape, adapter_shape
from pmd_pipeline.preflight.elsewhere import elsewhere_findings
from pmd_pipeline.preflight.hardware import Hardware
from pmd_pipeline.preflight.memory import (
    kv_cache_bytes_per_token,
    trainer_memory,
)
from pmd_pipeline.preflight.model_shape import ModelShape, empty_model, model_shape
from pmd_pipeline.preflight.reserved import reserved_findings
from pmd_pipeline.preflight.sampler import plan_sampler, sampler_memory

# Qwen2.5-7B, as published.
SHAPE = ModelShape(
    num_parameters=7_615_616_512,
    num_active_parameters=7_615_616_512,
    largest_layer_parameters=233_057_792,
    num_outer_parameters=1_089_998_336,
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
    can_be_packed=True,
    linear_sizes={},
)
ADAPTER = AdapterShape(num_parameters=40_000_000, num_layers=28 * 7, rank=16)
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
    assert memory.masters == 0
    assert memory.resident == 12 * 7_615_616_512  # there are no gradients while sampling
    assert memory.peak >= memory.resident + memory.gradients + memory.step_workspace


def test_bfloat16_weights_have_masters_and_no_copies_for_a_pass() -> None:
    memory = _memory(SHAPE, bfloat16_weights=True)
    assert memory.weights == 2 * 7_615_616_512
    assert memory.masters == memory.gradients == 4 * 7_615_616_512
    assert memory.resident == (2 + 4 + 8) * 7_615_616_512
    assert (memory.working_weights, _memory(SHAPE).working_weights) == (0, 2 * 7_615_616_512)


def test_of_several_devices_the_shares_are_the_masters() -> None:
    memory = _memory(SHAPE, bfloat16_weights=True, num_devices=8)
    assert memory.masters == 0
    assert memory.resident == 12 * 7_615_616_512 // 8
    assert memory.working_weights == 2 * (2 * 233_057_792 + 1_089_998_336)


def test_an_adapter_alone_has_gradients_moments_and_masters() -> None:
    memory = _memory(SHAPE, bfloat16_weights=True, adapter=ADAPTER)
    assert memory.weights == 2 * (7_615_616_512 + 40_000_000)
    assert memory.masters == memory.gradients == memory.step_workspace == 4 * 40_000_000
    assert memory.moments == 8 * 40_000_000
    shared = _memory(SHAPE, bfloat16_weights=True, adapter=ADAPTER, num_devices=8)
    assert shared.weights == 2 * 7_615_616_512 // 8 + 4 * 5_000_000


def test_devices_share_the_state_and_round_up() -> None:
    shape = replace(SHAPE, num_parameters=10)
    assert _memory(shape, num_devices=4).weights == 3 * 4
    assert _memory(SHAPE, num_devices=8).resident == 12 * 7_615_616_512 // 8


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
    layer = layer_activation_bytes(SHAPE, Arithmetic(bfloat16=True), longest=longest)[0]
    kept = 28 * 4 * 3584 + 2 * layer + 3 * 4 * 3584
    memory = _memory(SHAPE, gradient_checkpointing=True, micro_batch_tokens=longest)
    assert memory.activations == longest * kept


def test_packed_sequences_keep_no_mask_and_repeat_no_keys() -> None:
    """Of 28 heads 4 have keys of their own, 128 wide; a row of the mask is 10,240 long."""
    longest = 10_240
    padded, packed = (
        layer_activation_bytes(SHAPE, Arithmetic(bfloat16=True, packed=packed), longest=longest)[0]
        for packed in (False, True)
    )
    assert padded - packed == 2 * longest + 2 * 2 * (28 - 4) * 128


@pytest.mark.parametrize(
    "arithmetic",
    [
        Arithmetic(bfloat16=False),
        Arithmetic(bfloat16=True),
        Arithmetic(bfloat16=True, bfloat16_stream=True),
    ],
    ids=["float32", "autocast", "bfloat16 weights"],
)
@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "qwen3_moe"])
def test_a_layers_activations_are_those_that_autograd_keeps(
    kind: str, arithmetic: Arithmetic
) -> None:
    """The difference that one more layer makes, so that embedding and head cancel out."""
    shape = model_shape(empty_model(_config(kind, num_layers=2)))
    expected = layer_activation_bytes(shape, arithmetic, longest=WIDTH)[-1]
    two, one = (_kept_bytes(_config(kind, num_layers=n), arithmetic) for n in (2, 1))
    measured = (two - one) / (NUM_ROWS * WIDTH)
    assert expected == pytest.approx(measured, rel=0.02)


@pytest.mark.parametrize("bfloat16_weights", [False, True], ids=["autocast", "bfloat16 weights"])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
def test_a_layers_activations_under_an_adapter_are_those_that_autograd_keeps(
    kind: str, bfloat16_weights: bool
) -> None:
    arithmetic = Arithmetic(bfloat16=True, bfloat16_stream=bfloat16_weights)
    lora = LoraConfig(rank=8)
    shape = model_shape(empty_model(_config(kind, num_layers=2)))
    expected = layer_activation_bytes(
        shape, arithmetic, longest=WIDTH, adapter=adapter_shape(shape, lora)
    )[-1]
    # The first layer's input needs no gradient: two more layers are counted beside it.
    three, two = (_kept_bytes(_config(kind, num_layers=n), arithmetic, lora=lora) for n in (3, 2))
    measured = (three - two) / (NUM_ROWS * WIDTH)
    assert expected == pytest.approx(measured, rel=0.02)


@pytest.mark.parametrize("targets", ["all-linear", ("q_proj", "mlp.down_proj")])
def test_an_adapters_size_is_that_of_pefts(targets: str | tuple[str, ...]) -> None:
    config = _config("qwen3", num_layers=2)
    lora = LoraConfig(rank=8, target_modules=targets)
    model = _model(config, lora=lora)
    trained = [p for p in model.parameters() if p.requires_grad]
    found = adapter_shape(model_shape(empty_model(config)), lora)
    assert found.num_parameters == sum(p.numel() for p in trained)
    assert (found.num_layers, found.rank) == (len(trained) // 2, 8)


def test_an_adapter_on_no_layer_is_refused_with_the_names_there_are() -> None:
    shape = model_shape(empty_model(_config("qwen2", num_layers=1)))
    with pytest.raises(ValueError, match=r"named \('query',\); it has \['down_proj'"):
        adapter_shape(shape, LoraConfig(target_modules=("query",)))


@pytest.mark.parametrize(("bfloat16_stream", "element"), [(False, 4), (True, 2)])
def test_with_checkpointing_autograd_keeps_a_layers_input_alone(
    bfloat16_stream: bool, element: int
) -> None:
    arithmetic = Arithmetic(bfloat16=True, bfloat16_stream=bfloat16_stream)
    two, one = (
        _kept_bytes(_config("qwen3", num_layers=n), arithmetic, checkpointing=True) for n in (2, 1)
    )
    assert (two - one) / (NUM_ROWS * WIDTH) == element * 96


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


def test_with_a_lag_a_sampler_has_room_beside_updates_too() -> None:
    """40 GiB beside 28.4 GiB that stay, and beside what an update needs."""
    plan = plan_sampler({"backend": "vllm"}, trainer_precision="bfloat16")
    sampler = sampler_memory(SHAPE, plan, longest_sequence_tokens=10_240)
    trainer, device_bytes = _memory(SHAPE, num_devices=4), 80 * 2**30
    assert trainer.resident + 40 * 2**30 < device_bytes < trainer.peak + 40 * 2**30
    _, peak = reserved_findings(trainer, sampler, plan, device_bytes=device_bytes, at_once=True)
    assert (peak.subject, peak.verdict) == ("peak while sampling and updating", "failure")
    assert peak.value.startswith(f"{(trainer.peak + 40 * 2**30) / 2**30:,.1f} GiB of")


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


def test_copies_in_processes_take_their_weights_and_caches_too() -> None:
    """Float32 weights, and bfloat16 ones for the products; three of each, and of the caches."""
    plan = plan_sampler(
        {"backend": "transformers", "options": {"max_batch_size": 64, "num_processes": 3}},
        trainer_precision="bfloat16",
    )
    memory = sampler_memory(SHAPE, plan, longest_sequence_tokens=100)
    assert memory.weights == 3 * 7_615_616_512 * (4 + 2)
    assert memory.cache == 3 * 64 * 100 * 57_344


@pytest.mark.parametrize(
    ("engine", "gpus", "each", "memory"),
    [
        (
            {"backend": "transformers", "max_batch_size": 4},
            False,
            "a CPU for each thread",
            "28.4 GiB of weights, up to 2.1 GiB of keys and values (4 responses of full length)",
        ),
        (
            {"backend": "vllm", "precision": "bfloat16", "tensor_parallel_size": 2},
            True,
            "2 GPU, a CPU for each thread",
            "72.0 GiB set aside; weights and one sequence of full length take 7.2 GiB",
        ),
    ],
)
def test_each_sampler_on_ray_is_planned_for_devices_of_its_own(
    engine: dict[str, object], gpus: bool, each: str, memory: str
) -> None:
    """28.4 GiB at 20 Gbit/s: 30.46e9 bytes / 2.5e9."""
    options = {
        "engine": engine,
        "num_samplers": 3,
        "unit_size": 64,
        "bandwidth_gbit_per_second": 20,
    }
    plan = plan_sampler({"backend": "ray", "options": options}, trainer_precision="float32")
    assert (plan.name, plan.extras[0]) == (f"{engine['backend']} on Ray", "ray")
    assert plan.elsewhere is not None
    findings = elsewhere_findings(
        sampler_memory(SHAPE, plan, longest_sequence_tokens=5000),
        plan,
        plan.elsewhere,
        shipped_bytes=4 * SHAPE.num_parameters,
        hardware=Hardware(is_gpu=gpus, num_devices=1, memory_bytes=80 * 2**30),
    )
    values = {finding.subject: finding.value for finding in findings}
    assert values["samplers"] == f"3 wanted; each reserves {each}"
    assert values["memory of each"].startswith(memory)
    assert values["object store"].startswith("28.4 GiB of weights")
    assert values["change of weights"] == (
        "28.4 GiB once to each node: 12 s at 20 Gbit/s for one node, at most 37 s for 3 after each "
        "other"
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "has no backend"),
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


def _model(
    config: PretrainedConfig, *, bfloat16_weights: bool = False, lora: LoraConfig | None = None
) -> PreTrainedModel:
    dtype = torch.bfloat16 if bfloat16_weights else torch.float32
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    if lora is not None:
        policy = Policy(model=model, tokenizer=build_tokenizer())
        add_adapter(policy, lora, base_folder=Path(), seed=0)
    return model


def _kept_bytes(
    config: PretrainedConfig,
    arithmetic: Arithmetic,
    *,
    checkpointing: bool = False,
    lora: LoraConfig | None = None,
) -> int:
    """Return the bytes of all tensors that autograd keeps of one pass, weights left out."""
    model = _model(config, bfloat16_weights=arithmetic.bfloat16_stream, lora=lora)
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
        torch.autocast("cpu", torch.bfloat16, enabled=arithmetic.bfloat16),
    ):
        response_log_probs(
            model,
            [[1] * NUM_PROMPT_TOKENS] * NUM_ROWS,
            torch.ones_like(mask, dtype=torch.long),
            mask,
            temperature=1.0,
        )
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
