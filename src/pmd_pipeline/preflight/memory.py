"""Memory that a trainer and a sampler take, from the shape of the model.

Weights, gradients and optimizer states are exact. Activations are counted tensor by tensor as
autograd keeps them for the decoder layers of Llama, Qwen2, Qwen3 and Qwen3-MoE; what an allocator
adds is not in.
"""

from dataclasses import dataclass

from pmd_pipeline.policies.output_head import LOGITS_PER_CHUNK
from pmd_pipeline.preflight.model_shape import ModelShape

FLOAT32_BYTES = 4
BFLOAT16_BYTES = 2

# AdamW's first and second moments, float32.
_MOMENTS_BYTES = 2 * FLOAT32_BYTES
# AdamW over all parameters at once holds the denominators of every one for the step.
_STEP_WORKSPACE_BYTES = FLOAT32_BYTES
# Of a chunk of logits, float32: the logits, and what their log-sum-exp needs.
_LOGITS_COPIES = 2
# A sharded trainer holds the layer that it computes and the next one, which is on its way.
_GATHERED_LAYERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerMemory:
    """Bytes on one device.

    Attributes:
        weights: Float32 master weights.
        gradients: Float32.
        moments: Of the optimizer, float32.
        step_workspace: Only while the optimizer steps.
        working_weights: Bfloat16 copies that the matrix products use, and layers gathered from
            other devices; only during a forward or backward pass.
        activations: Kept for the backward pass of one micro-batch.
        logits: Of one chunk, with the copies that it takes.
    """

    weights: int
    gradients: int
    moments: int
    step_workspace: int
    working_weights: int
    activations: int
    logits: int

    @property
    def resident(self) -> int:
        """What stays while the sampler works."""
        return self.weights + self.gradients + self.moments

    @property
    def peak(self) -> int:
        """The most at any time: in a backward pass, or in the optimizer's step."""
        passes = self.working_weights + self.activations + self.logits
        return self.resident + max(passes, self.step_workspace)


def trainer_memory(
    shape: ModelShape,
    *,
    micro_batch_tokens: int,
    longest_sequence_tokens: int,
    bfloat16: bool,
    gradient_checkpointing: bool,
    num_devices: int = 1,
) -> TrainerMemory:
    """Return what the trainer takes on each of ``num_devices`` devices.

    Args:
        shape: The model.
        micro_batch_tokens: Padded tokens of one backward pass.
        longest_sequence_tokens: Prompt and response; one that is longer than a micro-batch is
            computed all the same.
        bfloat16: Precision of the matrix products.
        gradient_checkpointing: Keep each layer's input alone and compute the rest again.
        num_devices: Weights, gradients and moments are divided among them.
    """
    shard = -(-shape.num_parameters // num_devices)
    tokens = max(micro_batch_tokens, longest_sequence_tokens)
    per_layer = layer_activation_bytes(shape, bfloat16=bfloat16, longest=longest_sequence_tokens)
    if gradient_checkpointing:
        # One layer is computed again: its activations, and as much for their gradients.
        kept = shape.num_layers * FLOAT32_BYTES * shape.hidden_size + 2 * max(per_layer)
    else:
        kept = sum(per_layer)
    # The final norm's input, its normalised form and the head's input.
    kept += 3 * FLOAT32_BYTES * shape.hidden_size
    if num_devices > 1:
        element = BFLOAT16_BYTES if bfloat16 else FLOAT32_BYTES
        working = _GATHERED_LAYERS * shape.largest_layer_parameters * element
    else:
        working = shape.num_parameters * BFLOAT16_BYTES if bfloat16 else 0
    logits = min(tokens * shape.vocabulary_size, LOGITS_PER_CHUNK)
    bytes_per_logit = _LOGITS_COPIES * FLOAT32_BYTES + (BFLOAT16_BYTES if bfloat16 else 0)
    return TrainerMemory(
        weights=shard * FLOAT32_BYTES,
        gradients=shard * FLOAT32_BYTES,
        moments=shard * _MOMENTS_BYTES,
        step_workspace=shard * _STEP_WORKSPACE_BYTES,
        working_weights=working,
        activations=tokens * kept,
        logits=bytes_per_logit * logits,
    )


def layer_activation_bytes(shape: ModelShape, *, bfloat16: bool, longest: int) -> list[int]:
    """Return what autograd keeps of each decoder layer, bytes per token.

    The residual stream and the norms are float32 in both precisions; under autocast every matrix
    product keeps a bfloat16 copy of its input of its own. The attention mask, [B, 1, T, T], is
    counted as materialised, which it is as soon as a micro-batch has padding.
    """
    element = BFLOAT16_BYTES if bfloat16 else FLOAT32_BYTES
    hidden = shape.hidden_size
    queries = shape.num_heads * shape.head_dim
    keys = shape.num_kv_heads * shape.head_dim
    norm = FLOAT32_BYTES * (2 * hidden + 1)  # input, normalised input, reciprocal root
    # Inputs of the query, key and value projections, and of the gate and up projections.
    attention_input = element * hidden * (3 if bfloat16 else 1)
    feed_forward_input = element * hidden * (2 if bfloat16 else 1)
    attention = (
        norm
        + attention_input
        + 4 * element * queries  # queries, keys and values repeated by group, and the output
        + FLOAT32_BYTES * shape.num_heads  # log-sum-exp
        + element * longest  # the mask's row
    )
    if shape.has_query_key_norm:
        num_heads = shape.num_heads + shape.num_kv_heads
        attention += (FLOAT32_BYTES + element) * (queries + keys) + FLOAT32_BYTES * num_heads
    dense = norm + feed_forward_input + 4 * element * shape.feed_forward_size
    num_dense = shape.num_layers - shape.num_sparse_layers
    sparse = 0
    if shape.num_sparse_layers:
        # Only the router's input is cast: the experts compute in float32 under autocast too.
        router = element * hidden + FLOAT32_BYTES * shape.num_experts
        routed = FLOAT32_BYTES * (2 * hidden + 4 * shape.expert_size) + 36  # 36: indices, weights
        sparse = norm + router + shape.experts_per_token * routed
    return [attention + dense] * num_dense + [attention + sparse] * shape.num_sparse_layers


def kv_cache_bytes_per_token(shape: ModelShape, *, element_bytes: int) -> int:
    """Return what one token of one sequence takes in the sampler's cache of keys and values."""
    return 2 * shape.num_layers * shape.num_kv_heads * shape.head_dim * element_bytes
