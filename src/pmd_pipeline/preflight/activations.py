"""What autograd keeps of a decoder layer for the backward pass, tensor by tensor.

For the layers of Llama, Qwen2, Qwen3 and Qwen3-MoE; a test compares it with what autograd keeps.
"""

from dataclasses import dataclass

from pmd_pipeline.preflight.adapter_shape import AdapterShape
from pmd_pipeline.preflight.shape import ModelShape

FLOAT32_BYTES = 4
BFLOAT16_BYTES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """How a model is computed.

    Attributes:
        bfloat16: Matrix products in bfloat16.
        bfloat16_stream: The residual stream in bfloat16 too: if the weights are, or if several
            devices gather them in bfloat16.
        packed: Sequences end to end, in torch's attention for unequal lengths.
    """

    bfloat16: bool
    bfloat16_stream: bool = False
    packed: bool = False

    @property
    def element(self) -> int:
        """Bytes per element of the inputs and outputs of a matrix product."""
        return BFLOAT16_BYTES if self.bfloat16 else FLOAT32_BYTES

    @property
    def stream(self) -> int:
        """Bytes per element of the residual stream."""
        return BFLOAT16_BYTES if self.bfloat16_stream else FLOAT32_BYTES

    @property
    def casts(self) -> bool:
        """Whether autocast makes a separate copy for each product of the same input."""
        return self.bfloat16 and not self.bfloat16_stream


def layer_activation_bytes(
    shape: ModelShape,
    arithmetic: Arithmetic,
    *,
    longest: int,
    adapter: AdapterShape | None = None,
) -> list[int]:
    """Return what autograd keeps of each decoder layer, bytes per token.

    Norms are computed in float32 whatever the precision.

    Args:
        shape: The model.
        arithmetic: How it is computed.
        longest: Tokens of the longest sequence, the length of a row of the attention mask.
        adapter: If only an adapter is trained; None if all weights are.
    """
    norm = _norm_bytes(shape.hidden_size, arithmetic, is_frozen=adapter is not None)
    attention = norm + _attention_bytes(shape, arithmetic, longest, is_frozen=adapter is not None)
    if adapter is not None:
        # The second factor's gradient needs the first one's output.
        attention += arithmetic.element * adapter.rank * adapter.num_layers // shape.num_layers
    num_inputs = 2 if arithmetic.casts else 1  # gate and up
    dense = norm + arithmetic.element * (
        num_inputs * shape.hidden_size + 4 * shape.feed_forward_size
    )
    num_dense = shape.num_layers - shape.num_sparse_layers
    layers = [attention + dense] * num_dense
    if shape.num_sparse_layers:
        sparse = norm + _expert_bytes(shape, arithmetic)
        layers += [attention + sparse] * shape.num_sparse_layers
    return layers


def _norm_bytes(size: int, arithmetic: Arithmetic, *, is_frozen: bool) -> int:
    """Return the float32 input, its reciprocal root and, for the weight's gradient, the result."""
    return FLOAT32_BYTES * (size + 1) + (0 if is_frozen else arithmetic.stream * size)


def _attention_bytes(
    shape: ModelShape, arithmetic: Arithmetic, longest: int, *, is_frozen: bool
) -> int:
    element = arithmetic.element
    queries = shape.num_heads * shape.head_dim
    keys = shape.num_kv_heads * shape.head_dim
    num_inputs = 3 if arithmetic.casts else 1  # queries, keys, values
    kept = element * num_inputs * shape.hidden_size + FLOAT32_BYTES * shape.num_heads  # log-sum-exp
    if arithmetic.packed:
        kept += 2 * element * (queries + keys)  # queries, keys, values, and the output
    else:
        # Keys and values repeated by group; the mask, [B, 1, T, T], is counted as materialised,
        # which it is as soon as a micro-batch has padding.
        kept += 4 * element * queries + element * longest
    if is_frozen and arithmetic.casts:
        # peft casts attention's output to its float32 factors, autocast back to a copy.
        kept += element * queries
    if shape.has_query_key_norm:
        num_heads = shape.num_heads + shape.num_kv_heads
        per_element = FLOAT32_BYTES + (0 if is_frozen else element)
        kept += per_element * (queries + keys) + FLOAT32_BYTES * num_heads
    return kept


def _expert_bytes(shape: ModelShape, arithmetic: Arithmetic) -> int:
    """Return what a mixture of experts keeps: autocast casts only the router's input."""
    router = arithmetic.element * shape.hidden_size + FLOAT32_BYTES * shape.num_experts
    values = arithmetic.stream * (2 * shape.hidden_size + 4 * shape.expert_size)
    return router + shape.experts_per_token * (values + 36)  # 36: indices and weights
