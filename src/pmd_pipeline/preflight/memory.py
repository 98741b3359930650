"""Memory that a trainer and a sampler take, from the shape of the model.

Weights, gradients and optimizer states are exact; activations are counted in ``activations``; what
an allocator adds is not included.
"""

from dataclasses import dataclass

from pmd_pipeline.policies.chunk_size import LOGITS_PER_CHUNK
from pmd_pipeline.preflight.activations import (
    BFLOAT16_BYTES,
    FLOAT32_BYTES,
    Arithmetic,
    layer_activation_bytes,
)
from pmd_pipeline.preflight.adapter_shape import AdapterShape
from pmd_pipeline.preflight.shape import ModelShape

# AdamW's first and second moments, float32.
_MOMENTS_BYTES = 2 * FLOAT32_BYTES
# AdamW over all parameters at once holds the denominators of all of them during the step.
_STEP_WORKSPACE_BYTES = FLOAT32_BYTES
# Of a chunk of logits, float32: the logits, and what their log-sum-exp needs.
_LOGITS_COPIES = 2
# A sharded trainer holds the layer that it computes and the next one, which is being gathered.
_GATHERED_LAYERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerMemory:
    """Bytes on one device.

    Attributes:
        weights: Of the model, a frozen base included.
        masters: Float32 copies of trained bfloat16 weights; none if the device's share of the
            weights is float32 itself.
        gradients: Float32; from an update's first backward pass to its step.
        moments: Of the optimizer, float32.
        step_workspace: Only while the optimizer steps.
        working_weights: Bfloat16 copies that the matrix products use, and layers gathered from
            other devices; only during a forward or backward pass.
        activations: Kept for the backward pass of one micro-batch.
        logits: Of one chunk, with the copies that it needs.
    """

    weights: int
    masters: int
    gradients: int
    moments: int
    step_workspace: int
    working_weights: int
    activations: int
    logits: int

    @property
    def resident(self) -> int:
        """What remains while the sampler works."""
        return self.weights + self.masters + self.moments

    @property
    def peak(self) -> int:
        """The maximum at any time: in a backward pass, or in the optimizer's step."""
        passes = self.working_weights + self.activations + self.logits
        return self.resident + self.gradients + max(passes, self.step_workspace)


def trainer_memory(
    shape: ModelShape,
    *,
    micro_batch_tokens: int,
    longest_sequence_tokens: int,
    bfloat16: bool,
    gradient_checkpointing: bool,
    bfloat16_weights: bool = False,
    packed: bool = False,
    adapter: AdapterShape | None = None,
    num_devices: int = 1,
) -> TrainerMemory:
    """Return what the trainer takes on each of ``num_devices`` devices.

    Args:
        shape: The model.
        micro_batch_tokens: Of one backward pass, padding included.
        longest_sequence_tokens: Prompt and response; a sequence longer than a micro-batch is
            computed nevertheless.
        bfloat16: Precision of the matrix products.
        gradient_checkpointing: Keep only each layer's input and recompute the rest.
        bfloat16_weights: Precision of the model's weights.
        packed: No padding is computed.
        adapter: If only an adapter is trained; None for all weights.
        num_devices: Weights, gradients and moments are divided among them.
    """
    num_trained = shape.num_parameters if adapter is None else adapter.num_parameters
    num_frozen = 0 if adapter is None else shape.num_parameters
    trained, frozen = (-(-count // num_devices) for count in (num_trained, num_frozen))
    own_bytes = BFLOAT16_BYTES if bfloat16_weights else FLOAT32_BYTES
    # Several devices hold their shares of trained weights in float32: they are the masters.
    has_masters = bfloat16_weights and num_devices == 1
    weights = frozen * own_bytes + trained * (own_bytes if num_devices == 1 else FLOAT32_BYTES)
    arithmetic = Arithmetic(
        bfloat16=bfloat16,
        bfloat16_stream=bfloat16 and (bfloat16_weights or num_devices > 1),
        packed=packed,
    )
    tokens = max(micro_batch_tokens, longest_sequence_tokens)
    logits = min(tokens * shape.vocabulary_size, LOGITS_PER_CHUNK)
    bytes_per_logit = _LOGITS_COPIES * FLOAT32_BYTES + (BFLOAT16_BYTES if bfloat16 else 0)
    per_token = _activation_bytes(
        layer_activation_bytes(shape, arithmetic, longest=longest_sequence_tokens, adapter=adapter),
        shape,
        arithmetic,
        gradient_checkpointing=gradient_checkpointing,
    )
    return TrainerMemory(
        weights=weights,
        masters=trained * FLOAT32_BYTES if has_masters else 0,
        gradients=trained * FLOAT32_BYTES,
        moments=trained * _MOMENTS_BYTES,
        step_workspace=trained * _STEP_WORKSPACE_BYTES,
        working_weights=_working_weights(shape, arithmetic, num_devices),
        activations=tokens * per_token,
        logits=bytes_per_logit * logits,
    )


def _activation_bytes(
    layers: list[int], shape: ModelShape, arithmetic: Arithmetic, *, gradient_checkpointing: bool
) -> int:
    """Return what is kept of all layers, the final norm and the head's input, bytes per token."""
    stream = arithmetic.stream * shape.hidden_size
    # One layer is recomputed: its activations, and as much for their gradients.
    kept = len(layers) * stream + 2 * max(layers) if gradient_checkpointing else sum(layers)
    return kept + FLOAT32_BYTES * shape.hidden_size + 2 * stream


def _working_weights(shape: ModelShape, arithmetic: Arithmetic, num_devices: int) -> int:
    if num_devices > 1:
        gathered = _GATHERED_LAYERS * shape.largest_layer_parameters + shape.num_outer_parameters
        return gathered * arithmetic.element
    return shape.num_parameters * BFLOAT16_BYTES if arithmetic.casts else 0


def kv_cache_bytes_per_token(shape: ModelShape, *, element_bytes: int) -> int:
    """Return the bytes of one token of one sequence in the sampler's key-value cache."""
    return 2 * shape.num_layers * shape.num_kv_heads * shape.head_dim * element_bytes
