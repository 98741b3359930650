"""A tiny random model of every causal-LM architecture that the installed transformers offers.

A configuration is the architecture's own default with all sizes shrunk under the names that most
architectures share; what is special about some stands in ``_SPECIAL``, much of it chosen so that
the test tells: windows shorter than the texts, factors of logits other than 1.
"""

from collections.abc import Mapping
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

MODEL_TYPES = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
VOCABULARY_SIZE = 64
STOPS = range(2, VOCABULARY_SIZE, 5)

_SIZES: dict[str, int] = {
    "vocab_size": VOCABULARY_SIZE,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "embedding_size": 32,
    "word_embed_proj_dim": 32,
    "rotary_dim": 4,
    # Decoders of encoder-decoder models.
    "d_model": 32,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 48,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "max_target_positions": 128,
    # Mixtures of experts.
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
    "shared_intermediate_size": 16,
    "dense_intermediate_size": 48,
    "intermediate_size_mlp": 48,
    "expert_ffn_hidden_size": 16,
    "ffn_hidden_size": 48,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "moe_num_experts": 4,
    "zero_expert_num": 2,
    "num_experts_per_tok": 2,
    "num_experts_per_token": 2,
    "moe_topk": 2,
    "moe_k": 2,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "num_dense_layers": 1,
    # Latent and sparse attention.
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "index_topk": 64,
    "index_head_dim": 8,
    "index_n_heads": 2,
    # Windows, shorter than the texts.
    "sliding_window": 6,
    "sliding_window_size": 6,
    "attention_chunk_size": 6,
    "attention_window_size": 6,
    "block_size": 8,
    # States.
    "state_size": 8,
    "ssm_state_size": 8,
    "conv_kernel": 4,
    "n_groups": 1,
    "chunk_size": 8,
    "time_step_rank": 4,
    "lru_width": 32,
    "mamba_d_state": 8,
    "mamba_n_heads": 8,
    "mamba_d_head": 8,
    "mamba_n_groups": 1,
    "mamba_chunk_size": 8,
    "mamba_dt_rank": 4,
    "mamba_d_ssm": 64,
    "mamba_num_heads": 8,
    "mamba_head_dim": 8,
    "n_mamba_heads": 2,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    # Embeddings for each layer.
    "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": VOCABULARY_SIZE,
    "laurel_rank": 8,
    "altup_num_inputs": 2,
    "num_kv_shared_layers": 0,
}
# Left out by some defaults, which then follow from large ones.
_EVEN_IF_UNSET = ("num_key_value_heads", "head_dim")
_NUM_LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")

_HYBRID = ["linear_attention", "full_attention"]
_ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}
_SPECIAL: Mapping[str, Mapping[str, Any]] = {
    "bamba": {"attn_layer_indices": [1]},
    "bert-generation": {"is_decoder": True},
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {"sliding_attention": _ROPE, "full_attention": _ROPE},
    },
    "dbrx": {
        "ffn_config": {"ffn_hidden_size": 48, "moe_num_experts": 4, "moe_top_k": 2},
        "attn_config": {"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8},
    },
    "deepseek_v2": {"num_experts_per_tok": 2},
    "dots1": {
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "n_shared_experts": 1,
        "first_k_dense_replace": 1,
    },
    "falcon_h1": {"lm_head_multiplier": 0.5},
    "gemma2": {"final_logit_softcapping": 1.0},
    "gemma3_text": {"final_logit_softcapping": 2.0},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 6},
    "granite": {"logits_scaling": 4.0},
    "granitemoehybrid": {"layer_types": _HYBRID, "logits_scaling": 4.0},
    "hunyuan_v1_moe": {"num_experts": 4, "moe_topk": 2},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "kimi_linear": {"linear_head_dim": 8},
    "lfm2": {"layer_types": ["conv", "full_attention"], "full_attn_idxs": None},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "longcat_flash": {"head_dim": 4},
    "mamba2": {"num_heads": 8},
    "minicpm3": {"dim_model_base": 16},
    "qwen4_exp_text": {
        "indexer_n_heads": 2,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 4,
        "indexer_compress_ratio": 2,
        "hc_lowrank": 8,
    },
    "xlm": {"causal": True},
    "zamba": {
        "layers_block_type": ["linear_attention", "hybrid"] * 2,
        "num_hidden_layers": 4,
        "attention_head_dim": 16,
    },
    "zamba2": {
        "layers_block_type": ["linear_attention", "hybrid"],
        "mamba_ngroups": 1,
        "n_mamba_heads": 8,
    },
    "zaya": {"num_experts_per_tok": 1, "router_hidden_size": 16},
}


def tiny_config(model_type: str) -> PretrainedConfig:
    """Return a configuration whose model has about 2 layers and 32 dimensions."""
    kind = CONFIG_MAPPING[model_type]
    default = kind()
    parts = {
        name: type(part)(**_shrunk(part) | _SPECIAL.get(part.model_type, {}))
        for name in kind.sub_configs
        if isinstance(part := getattr(default, name, None), PretrainedConfig)
    }
    config: PretrainedConfig = kind(**_shrunk(default) | parts | dict(_SPECIAL.get(model_type, {})))
    return config


def tiny_model(model_type: str) -> PreTrainedModel:
    """Return a model of random weights, always the same, large enough for unequal logits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(tiny_config(model_type))
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data = noise / parameter.shape[-1] ** 0.5
    return model.eval()


def _shrunk(default: PretrainedConfig) -> dict[str, Any]:
    """Return the sizes that replace a default's."""
    values, own_name = default.to_dict(), type(default).attribute_map
    sizes: dict[str, Any] = {}
    for common_name, size in _SIZES.items():
        name = own_name.get(common_name, common_name)
        if name not in values or isinstance(values[name], list | dict):
            continue
        if values[name] is not None or common_name in _EVEN_IF_UNSET:
            sizes.setdefault(name, size)
    if "kv_lora_rank" in values:  # latent attention derives the one and has no use for the other
        sizes.pop("head_dim", None)
        sizes["num_key_value_heads"] = sizes["num_attention_heads"]
    num_layers = 2
    if isinstance(values.get("layer_types"), list):
        kinds = list(dict.fromkeys(values["layer_types"]))
        sizes["layer_types"] = kinds if len(kinds) > 1 else kinds * 2
        num_layers = len(sizes["layer_types"])
    if isinstance(values.get("mlp_layer_types"), list):
        kinds = list(dict.fromkeys(values["mlp_layer_types"]))
        sizes["mlp_layer_types"] = [kinds[min(i, len(kinds) - 1)] for i in range(num_layers)]
    if isinstance(values.get("intermediate_size"), list):
        sizes["intermediate_size"] = [_SIZES["intermediate_size"]] * num_layers
    return sizes | {
        own_name.get(name, name): num_layers
        for name in _NUM_LAYERS
        if own_name.get(name, name) in values
    }
