"""The sizes of a model that memory depends on, from its configuration alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from pmd_pipeline.policies.packing import packing_obstacle


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """A causal language model in numbers.

    Attributes:
        num_parameters: Tied ones counted once.
        num_active_parameters: Those that one token uses: all except the experts that it is not
            routed to.
        largest_layer_parameters: Of the largest decoder layer.
        num_outer_parameters: Outside the decoder layers: embedding, head and final norm.
        num_layers: Decoder layers.
        num_sparse_layers: Those whose feed-forward part is a mixture of experts.
        hidden_size: Width of the residual stream.
        num_heads: Query heads.
        num_kv_heads: Key and value heads.
        head_dim: Width of a head.
        feed_forward_size: Inner width of a dense feed-forward part.
        num_experts: In a sparse layer; 0 if there is none.
        experts_per_token: That a token is routed to.
        expert_size: Inner width of an expert.
        has_query_key_norm: True if queries and keys are normalised per head.
        vocabulary_size: Rows of the output head.
        max_positions: Longest sequence that the model was made for.
        can_be_packed: Whether its sequences can be computed end to end.
        linear_sizes: Inputs plus outputs of each linear layer except the output head, by name.
    """

    num_parameters: int
    num_active_parameters: int
    largest_layer_parameters: int
    num_outer_parameters: int
    num_layers: int
    num_sparse_layers: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    feed_forward_size: int
    num_experts: int
    experts_per_token: int
    expert_size: int
    has_query_key_norm: bool
    vocabulary_size: int
    max_positions: int
    can_be_packed: bool
    linear_sizes: Mapping[str, int]


def model_shape(config: PretrainedConfig) -> ModelShape:
    """Return the shape of the model that transformers builds from ``config``.

    The model is built without storage, so that the counts are the library's own, in a fraction of a
    second at any size.

    Raises:
        ValueError: If the configuration is not that of a supported causal language model.
    """
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        raise ValueError(
            f"no causal language model can be built from a configuration of type "
            f"{config.model_type!r} ({error})"
        ) from error
    layers = _decoder_layers(model)
    expert_counts = [_num_expert_parameters(layer) for layer in layers]
    num_parameters = _num_parameters(model)
    num_experts = _optional_size(config, "num_experts", "num_local_experts")
    per_token = _optional_size(config, "num_experts_per_tok")
    idle = sum(expert_counts) * (num_experts - per_token) // num_experts if num_experts else 0
    num_heads = int(config.num_attention_heads)
    return ModelShape(
        num_parameters=num_parameters,
        num_active_parameters=num_parameters - idle,
        largest_layer_parameters=max(_num_parameters(layer) for layer in layers),
        num_outer_parameters=num_parameters - sum(_num_parameters(layer) for layer in layers),
        num_layers=len(layers),
        num_sparse_layers=sum(count > 0 for count in expert_counts),
        hidden_size=int(config.hidden_size),
        num_heads=num_heads,
        num_kv_heads=_optional_size(config, "num_key_value_heads") or num_heads,
        head_dim=_optional_size(config, "head_dim") or int(config.hidden_size) // num_heads,
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
    layers = getattr(model.base_model, "layers", None)
    if not isinstance(layers, nn.ModuleList) or not len(layers):
        raise ValueError(
            f"{type(model).__name__} does not keep its decoder layers in model.layers; its "
            "memory cannot be estimated"
        )
    return list(layers)


def _num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _num_expert_parameters(layer: nn.Module) -> int:
    return sum(
        _num_parameters(module)
        for module in layer.modules()
        if type(module).__name__.endswith("Experts")
    )


def _optional_size(config: PretrainedConfig, *names: str) -> int:
    """Return the first of these sizes that the architecture has, or 0."""
    for name in names:
        value = getattr(config, name, None)
        if value is not None:
            return int(value)
    return 0
