"""The sizes of a model that memory depends on, and those of the embedded policy."""

from collections.abc import Mapping
from dataclasses import dataclass

from pmd_pipeline.config.policy import EmbeddedPolicyConfig
from pmd_pipeline.policies.vocabulary import VOCABULARY
from pmd_pipeline.preflight.findings import MEMORY_SECTION, Finding


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
        num_heads: Query heads; 0 without attention.
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


def parameter_count(shape: ModelShape) -> Finding:
    """Return the finding that counts a model's parameters."""
    active = (
        ""
        if shape.num_active_parameters == shape.num_parameters
        else f", {shape.num_active_parameters:,} active per token"
    )
    return Finding(
        section=MEMORY_SECTION, subject="parameters", value=f"{shape.num_parameters:,}{active}"
    )


def embedded_shape(config: EmbeddedPolicyConfig) -> ModelShape:
    """Return the shape of the embedded policy, a Qwen3 whose sizes are all in ``config``.

    It is what ``model_shape`` reads off the model, without importing what builds it.
    """
    hidden, inner, head = config.hidden_size, config.feed_forward_size, config.head_dim
    attention = config.num_heads * head
    sizes = {
        **{f"self_attn.{name}_proj": (hidden, attention) for name in "qkv"},
        "self_attn.o_proj": (attention, hidden),
        "mlp.gate_proj": (hidden, inner),
        "mlp.up_proj": (hidden, inner),
        "mlp.down_proj": (inner, hidden),
    }
    # Of queries and keys per head, and of the residual stream before each of the two parts.
    norms = 2 * head + 2 * hidden
    layer = sum(rows * columns for rows, columns in sizes.values()) + norms
    outer = 2 * len(VOCABULARY) * hidden + hidden  # embedding and head are not tied; the last norm
    num_parameters = outer + config.num_layers * layer
    return ModelShape(
        num_parameters=num_parameters,
        num_active_parameters=num_parameters,
        largest_layer_parameters=layer,
        num_outer_parameters=outer,
        num_layers=config.num_layers,
        num_sparse_layers=0,
        hidden_size=hidden,
        num_heads=config.num_heads,
        num_kv_heads=config.num_heads,
        head_dim=head,
        feed_forward_size=inner,
        num_experts=0,
        experts_per_token=0,
        expert_size=0,
        has_query_key_norm=True,
        vocabulary_size=len(VOCABULARY),
        max_positions=config.max_position,
        can_be_packed=True,
        linear_sizes={
            f"model.layers.{index}.{name}": rows + columns
            for index in range(config.num_layers)
            for name, (rows, columns) in sizes.items()
        },
    )
