"""The shape of any model of transformers, from its configuration alone."""

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from pmd_pipeline.policies.packing import packing_obstacle
from pmd_pipeline.preflight.shape import ModelShape


def empty_model(config: PretrainedConfig, *, trust_remote_code: bool = False) -> PreTrainedModel:
    """Return the model that transformers builds from ``config``, without storage for its weights.

    That takes a fraction of a second at any size.

    Raises:
        ValueError: If the configuration is not that of a causal language model.
    """
    try:
        with torch.device("meta"):
            model: PreTrainedModel = AutoModelForCausalLM.from_config(
                config, trust_remote_code=trust_remote_code
            )
    # A configuration's values reach any of the library's code.
    except Exception as error:
        raise ValueError(
            f"no causal language model can be built from a configuration of type "
            f"{config.model_type!r} ({error})"
        ) from error
    return model


def model_shape(model: PreTrainedModel) -> ModelShape:
    """Return the shape of a model, with or without weights; the counts are the library's own.

    Raises:
        ValueError: If the model has no list of decoder layers.
    """
    config = model.config.get_text_config(decoder=True)
    layers = _decoder_layers(model)
    expert_counts = [_num_expert_parameters(layer) for layer in layers]
    num_parameters = _num_parameters(model)
    num_experts = _optional_size(config, "num_experts", "num_local_experts", "n_routed_experts")
    per_token = _optional_size(config, "num_experts_per_tok")
    idle = sum(expert_counts) * (num_experts - per_token) // num_experts if num_experts else 0
    num_heads = _optional_size(config, "num_attention_heads")
    hidden_size = _optional_size(config, "hidden_size")
    return ModelShape(
        num_parameters=num_parameters,
        num_active_parameters=num_parameters - idle,
        largest_layer_parameters=max(_num_parameters(layer) for layer in layers),
        num_outer_parameters=num_parameters - sum(_num_parameters(layer) for layer in layers),
        num_layers=len(layers),
        num_sparse_layers=sum(count > 0 for count in expert_counts),
        hidden_size=hidden_size,
        num_heads=num_heads,
        num_kv_heads=_optional_size(config, "num_key_value_heads") or num_heads,
        head_dim=_optional_size(config, "head_dim") or hidden_size // max(1, num_heads),
        feed_forward_size=_optional_size(config, "intermediate_size"),
        num_experts=num_experts,
        experts_per_token=per_token,
        expert_size=_optional_size(config, "moe_intermediate_size", "intermediate_size")
        if num_experts
        else 0,
        has_query_key_norm=any(name.endswith("q_norm") for name, _ in model.named_modules()),
        vocabulary_size=int(model.get_output_embeddings().weight.shape[0]),
        max_positions=_optional_size(config, "max_position_embeddings"),
        can_be_packed=packing_obstacle(model) is None,
        linear_sizes={
            name: module.in_features + module.out_features
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and module is not model.get_output_embeddings()
        },
    )


def _decoder_layers(model: PreTrainedModel) -> list[nn.Module]:
    """Return the layers: the list with the most parameters, whatever its name."""
    lists: list[nn.Module] = [m for m in model.modules() if isinstance(m, nn.ModuleList)]
    if not lists:
        raise ValueError(
            f"{type(model).__name__} has no list of decoder layers; its memory cannot be estimated"
        )
    return list(max(lists, key=_num_parameters).children())


def _num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _num_expert_parameters(layer: nn.Module) -> int:
    return sum(
        _num_parameters(module)
        for module in layer.modules()
        if type(module).__name__.endswith("Experts")
    )


def _optional_size(config: PretrainedConfig, *names: str) -> int:
    """Return the first of these sizes that the architecture has, or 0; the largest of several."""
    for name in names:
        value = getattr(config, name, None)
        if isinstance(value, int):
            return max(0, value)
        if isinstance(value, list | tuple) and value:
            return max(map(int, value))
    return 0
