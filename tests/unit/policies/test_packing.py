"""Packed sequences against padded ones, and where packing is used."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
)

from pmd_pipeline.config.compute import Precision
from pmd_pipeline.policies import packing
from pmd_pipeline.policies.log_probs import TokenLogProbs, response_log_probs
from pmd_pipeline.policies.packing import packed_attention, packing_obstacle, uses_packing
from pmd_pipeline.policies.policy import Policy

SIZES = {
    "vocab_size": 40,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
CONFIGS = {
    "llama": LlamaConfig(**SIZES, head_dim=16),
    "qwen2": Qwen2Config(**SIZES),
    "qwen3": Qwen3Config(**SIZES, head_dim=16),
    "qwen3_moe": Qwen3MoeConfig(**SIZES, **EXPERTS, head_dim=16),
}
PROMPTS = [[1, 5, 10, 7, 30], [1], [1, 4, 2], [3] * 9]
LENGTHS = torch.tensor([3, 7, 1, 4])
MASK = torch.arange(7) < LENGTHS[:, None]


@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "checkpointing"])
@pytest.mark.parametrize("kind", CONFIGS)
def test_packed_log_probs_and_gradients_are_the_padded_ones(kind: str, checkpointing: bool) -> None:
    model = _model(CONFIGS[kind])
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train()
    padded, expected = _log_probs_and_gradients(model, packed=False)
    packed, found = _log_probs_and_gradients(model, packed=True)
    torch.testing.assert_close(packed.log_probs, padded.log_probs, rtol=0, atol=1e-5)
    torch.testing.assert_close(packed.entropy, padded.entropy, rtol=0, atol=1e-5)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-5, msg=name)


def test_only_real_tokens_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model(CONFIGS["qwen3"])
    shapes = []
    model.base_model.layers[0].register_forward_pre_hook(
        lambda _, arguments: shapes.append(arguments[0].shape)
    )
    for packed in (False, True):
        _log_probs(model, packed=packed)
    widest = max(len(p) + n for p, n in zip(PROMPTS, LENGTHS.tolist(), strict=True))
    num_tokens = sum(map(len, PROMPTS)) + int(LENGTHS.sum())
    assert shapes == [(4, widest, 32), (1, num_tokens, 32)]


def test_after_packing_a_padded_batch_gives_the_same_bits_as_before() -> None:
    model = _model(CONFIGS["qwen3"])
    before = _log_probs(model, packed=False)
    _log_probs(model, packed=True)
    after = _log_probs(model, packed=False)
    assert torch.equal(before.log_probs, after.log_probs)


def test_under_autocast_packed_log_probs_are_the_padded_ones_in_bfloat16() -> None:
    model = _model(CONFIGS["qwen3"])
    exact = _log_probs(model, packed=False).log_probs
    with torch.autocast("cpu", torch.bfloat16):
        padded, packed = (_log_probs(model, packed=choice).log_probs for choice in (False, True))
    rounding = (padded - exact).abs().max()
    assert rounding > 1e-3
    assert (packed - padded).abs().max() <= rounding


def test_a_stored_model_does_not_remember_the_attention(tiny_policy: Policy) -> None:
    response_log_probs(
        tiny_policy.model, [[1, 3]], torch.tensor([[4]]), torch.ones(1, 1).bool(),
        temperature=1.0, packed=True,
    )  # fmt: skip
    assert "pmd_pipeline" not in tiny_policy.model.config.to_json_string()


def test_on_a_gpu_torchs_attention_is_given_the_boundaries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its arguments, checked against torch's own signature; the values in tests/gpu."""
    import torch.nn.attention.varlen as varlen

    monkeypatch.setattr(packing, "_runs_unequal_lengths", lambda query: True)
    given = SimpleNamespace()

    def spy(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, **options):  # type: ignore[no-untyped-def]
        given.shapes = (query.shape, key.shape, value.shape)
        given.boundaries, given.longest, given.options = (
            (cu_seq_q, cu_seq_k),
            (max_q, max_k),
            options,
        )
        return query

    query, key = torch.randn(1, 4, 6, 8), torch.randn(1, 2, 6, 8)
    boundaries = torch.tensor([0, 2, 6], dtype=torch.int32)
    real = varlen.varlen_attn
    monkeypatch.setattr(varlen, "varlen_attn", spy)
    output, _ = packed_attention(
        torch.nn.Identity(), query, key, key, None,
        scaling=0.5, cu_seq_lens_q=boundaries, max_length_q=4,
    )  # fmt: skip
    assert given.shapes == ((6, 4, 8), (6, 2, 8), (6, 2, 8))
    assert given.boundaries == (boundaries, boundaries)
    assert given.longest == (4, 4)
    assert given.options == {"scale": 0.5, "window_size": (-1, 0), "enable_gqa": True}
    import inspect

    assert given.options.keys() <= inspect.signature(real).parameters.keys()
    assert torch.equal(output, query.transpose(1, 2))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (MistralConfig(**SIZES), "type 'mistral', and packing is tested with llama"),
        (
            Qwen3Config(**SIZES, use_sliding_window=True, sliding_window=4, max_window_layers=1),
            "a sliding window",
        ),
        (Qwen3Config(**SIZES, attn_implementation="eager"), "'eager', not 'sdpa'"),
    ],
    ids=["other architecture", "sliding window", "other attention"],
)
def test_a_model_that_cannot_be_packed_is_padded_or_refused(
    config: PretrainedConfig, message: str
) -> None:
    model = _model(config)
    assert message in str(packing_obstacle(model))
    on_gpu = {"device": torch.device("cuda"), "precision": "bfloat16"}
    assert not uses_packing(model, "auto", **on_gpu)
    assert not uses_packing(model, False, **on_gpu)
    with pytest.raises(ValueError, match=f"training.packing is true, but .*{message}"):
        uses_packing(model, True, **on_gpu)


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [("cuda", "bfloat16", True), ("cuda", "float32", False), ("cpu", "bfloat16", False)],
)
def test_auto_packs_on_a_gpu_in_bfloat16(device: str, precision: Precision, expected: bool) -> None:
    model = _model(CONFIGS["qwen3"])
    assert uses_packing(model, "auto", device=torch.device(device), precision=precision) == expected


def _model(config: PretrainedConfig) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(copy.deepcopy(config)).eval()


def _log_probs(model: PreTrainedModel, *, packed: bool) -> TokenLogProbs:
    responses = torch.arange(28).reshape(4, 7) % 40
    return response_log_probs(model, PROMPTS, responses, MASK, temperature=0.8, packed=packed)


def _log_probs_and_gradients(
    model: PreTrainedModel, *, packed: bool
) -> tuple[TokenLogProbs, dict[str, Tensor]]:
    model.zero_grad(set_to_none=True)
    result = _log_probs(model, packed=packed)
    weights = torch.linspace(-1, 1, result.log_probs.numel()).view_as(result.log_probs)
    (result.log_probs * weights).sum().backward()
    return result, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
