"""Sizes of models, against counts by hand, real models in memory and published totals."""

import pytest
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MambaConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
)

from pmd_pipeline.config.policy import EmbeddedPolicyConfig
from pmd_pipeline.policies.embedded import build_policy
from pmd_pipeline.preflight.model_shape import empty_model, model_shape
from pmd_pipeline.preflight.shape import embedded_shape

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 88,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 101,
}
EXPERTS = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 24}

# As published in each repository's config.json.
QWEN2_5_7B = Qwen2Config(
    hidden_size=3584,
    intermediate_size=18944,
    num_hidden_layers=28,
    num_attention_heads=28,
    num_key_value_heads=4,
    vocab_size=152064,
    tie_word_embeddings=False,
)
QWEN3_4B = Qwen3Config(
    hidden_size=2560,
    intermediate_size=9728,
    num_hidden_layers=36,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    vocab_size=151936,
    tie_word_embeddings=True,
)
QWEN3_30B_A3B = Qwen3MoeConfig(
    hidden_size=2048,
    intermediate_size=6144,
    moe_intermediate_size=768,
    num_hidden_layers=48,
    num_attention_heads=32,
    num_key_value_heads=4,
    head_dim=128,
    vocab_size=151936,
    num_experts=128,
    num_experts_per_tok=8,
    tie_word_embeddings=False,
)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        (LlamaConfig, {}),
        (Qwen2Config, {}),
        (Qwen3Config, {"head_dim": 16}),
        (Qwen3MoeConfig, {"head_dim": 16, **EXPERTS}),
        (Qwen3MoeConfig, {"head_dim": 16, **EXPERTS, "mlp_only_layers": [1]}),
    ],
)
def test_the_count_is_that_of_the_model_in_memory(
    kind: type[PretrainedConfig], extra: dict[str, int], tied: bool
) -> None:
    config = kind(**SMALL, **extra, tie_word_embeddings=tied)
    model = AutoModelForCausalLM.from_config(config)
    expected = sum(parameter.numel() for parameter in model.parameters())
    assert model_shape(empty_model(config)).num_parameters == expected


def test_a_dense_model_by_hand() -> None:
    """h 32, q 4 x 16, kv 2 x 16, f 88, 3 layers, 101 words, head and embedding apart."""
    shape = model_shape(empty_model(Qwen3Config(**SMALL, head_dim=16, tie_word_embeddings=False)))
    attention = 32 * 64 + 2 * 32 * 32 + 64 * 32 + 2 * 16
    layer = attention + 3 * 32 * 88 + 2 * 32
    assert shape.largest_layer_parameters == layer
    assert shape.num_parameters == 3 * layer + 2 * 101 * 32 + 32
    assert shape.num_active_parameters == shape.num_parameters
    assert (shape.num_heads, shape.num_kv_heads, shape.head_dim) == (4, 2, 16)
    assert shape.has_query_key_norm
    assert (shape.num_sparse_layers, shape.num_experts) == (0, 0)


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"hidden_size": 24, "num_layers": 3, "num_heads": 5, "head_dim": 6},
        {"num_layers": 1, "feed_forward_size": 40, "max_position": 64},
    ],
)
def test_the_embedded_policys_shape_is_that_of_its_model(sizes: dict[str, int]) -> None:
    config = EmbeddedPolicyConfig.model_validate({"kind": "embedded", **sizes})
    assert embedded_shape(config) == model_shape(build_policy(config, seed=0).model)


def test_a_mixture_of_experts_by_hand() -> None:
    """Two of three layers are sparse; a token meets 2 of their 8 experts."""
    config = Qwen3MoeConfig(
        **SMALL, **EXPERTS, head_dim=16, mlp_only_layers=[1], tie_word_embeddings=True
    )
    shape = model_shape(empty_model(config))
    common = 32 * 64 + 2 * 32 * 32 + 64 * 32 + 2 * 16 + 2 * 32
    expert = 3 * 32 * 24
    sparse, dense = common + 8 * expert + 8 * 32, common + 3 * 32 * 88
    assert shape.num_sparse_layers == 2
    assert shape.num_parameters == 2 * sparse + dense + 101 * 32 + 32
    assert shape.num_active_parameters == shape.num_parameters - 2 * 6 * expert
    assert shape.largest_layer_parameters == max(sparse, dense)


@pytest.mark.parametrize(
    ("config", "total"),
    [
        (QWEN2_5_7B, 7_615_616_512),
        (QWEN3_4B, 4_022_468_096),
        (QWEN3_30B_A3B, 30_532_122_624),
    ],
    ids=["Qwen2.5-7B", "Qwen3-4B", "Qwen3-30B-A3B"],
)
def test_the_papers_models_have_their_published_sizes(config: PretrainedConfig, total: int) -> None:
    assert model_shape(empty_model(config)).num_parameters == total


def test_a_token_of_the_30b_model_meets_3_3_billion_parameters() -> None:
    """120 of 128 experts of 3 x 2048 x 768 in 48 layers stay idle."""
    shape = model_shape(empty_model(QWEN3_30B_A3B))
    idle = 48 * 120 * 3 * 2048 * 768
    assert shape.num_active_parameters == 30_532_122_624 - idle
    assert round(shape.num_active_parameters / 1e9, 1) == 3.4


def test_heads_and_their_width_have_the_architectures_own_defaults() -> None:
    config = LlamaConfig(**{**SMALL, "num_key_value_heads": None})
    shape = model_shape(empty_model(config))
    assert (shape.num_kv_heads, shape.head_dim, shape.has_query_key_norm) == (4, 8, False)


def test_layers_are_found_whatever_the_model_calls_them() -> None:
    """GPT-2 by hand: h 16, two layers of attention 4 h^2 and feed-forward 8 h^2, with biases."""
    shape = model_shape(empty_model(GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=32)))
    layer = 12 * 16**2 + (3 + 1 + 4 + 1) * 16 + 2 * 2 * 16
    assert (shape.num_layers, shape.largest_layer_parameters) == (2, layer)
    assert (shape.hidden_size, shape.num_heads, shape.head_dim) == (16, 2, 8)


def test_a_model_without_attention_has_no_heads() -> None:
    config = MambaConfig(hidden_size=16, num_hidden_layers=2, vocab_size=32)
    shape = model_shape(empty_model(config))
    assert (shape.num_layers, shape.num_heads, shape.num_kv_heads) == (2, 0, 0)
