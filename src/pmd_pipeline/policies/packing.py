"""Attention over sequences placed end to end, so that no padding is computed.

A packed batch is one row, [1, S]: the sequences end to end, with positions restarting in each. Its
boundaries reach the attention layers under the names that flash attention uses.
"""

import inspect
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from pmd_pipeline.config.compute import Precision

Packing = Literal["auto"] | bool

# Tests show that these pass the boundaries on and attend to all previous tokens.
PACKED_MODEL_TYPES = ("llama", "qwen2", "qwen3", "qwen3_moe")
PACKED_ATTENTION = "pmd_pipeline_packed"


def uses_packing(
    model: PreTrainedModel, packing: Packing, *, device: torch.device, precision: Precision
) -> bool:
    """Return whether a model's sequences are packed.

    Args:
        model: The model.
        packing: True or False; or ``"auto"``: if the model allows it and torch's attention for
            sequences of unequal length is available, which is on a GPU in bfloat16.
        device: Where the model is computed.
        precision: Of its matrix products.

    Raises:
        ValueError: If ``packing`` is True and the model does not allow it.
    """
    if packing == "auto":
        return (
            device.type == "cuda"
            and precision == "bfloat16"
            and _has_unequal_length_attention()
            and packing_obstacle(model) is None
        )
    obstacle = packing_obstacle(model) if packing else None
    if obstacle is not None:
        raise ValueError(
            f"training.packing is true, but {obstacle}; set training.packing: auto, which pads "
            "such a model's sequences"
        )
    return packing


def packing_obstacle(model: PreTrainedModel) -> str | None:
    """Return why a model's sequences cannot be packed, None if they can."""
    config = model.config
    if config.model_type not in PACKED_MODEL_TYPES:
        return (
            f"the model is of type {config.model_type!r}, and packing is tested with "
            f"{', '.join(PACKED_MODEL_TYPES)}"
        )
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(config, "sliding_window", None) is not None:
        return "the model has layers with a sliding window, which packing does not support"
    if config._attn_implementation not in ("sdpa", PACKED_ATTENTION):
        return f"the model's attention is {config._attn_implementation!r}, not 'sdpa'"
    return None


def packed_hidden_states(model: PreTrainedModel, token_ids: Tensor, is_token: Tensor) -> Tensor:
    """Return the last hidden state of every token, [S, H], row after row.

    From then on the model uses the attention below, which treats what is not packed as torch's own
    does.

    Args:
        model: One without a :func:`packing_obstacle`.
        token_ids: Right-padded, [B, W].
        is_token: False on the padding, [B, W]; S of them are True.
    """
    if model.config._attn_implementation != PACKED_ATTENTION:
        model.set_attn_implementation(PACKED_ATTENTION)
    lengths = is_token.sum(dim=1)
    boundaries = pad(lengths.cumsum(dim=0), (1, 0)).to(torch.int32)
    longest = int(lengths.max())
    positions = torch.arange(token_ids.shape[1], device=token_ids.device).expand_as(token_ids)
    output = model.base_model(
        input_ids=token_ids[is_token][None],
        position_ids=positions[is_token][None],
        # A mask of four dimensions is used as it is: no [S, S] mask is made, and none is needed.
        attention_mask=torch.ones((1, 1, 1, 1), dtype=torch.bool, device=token_ids.device),
        cu_seq_lens_q=boundaries,
        cu_seq_lens_k=boundaries,
        max_length_q=longest,
        max_length_k=longest,
        use_cache=False,
    )
    return output.last_hidden_state[0]  # type: ignore[no-any-return]


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attend within each sequence to previous tokens; without boundaries, as torch's own.

    Args:
        module: The layer.
        query: [1, heads, S, D].
        key: [1, key-value heads, S, D].
        value: As ``key``.
        attention_mask: Used only without boundaries.
        scaling: Of the scores.
        cu_seq_lens_q: Where each sequence starts, and S, int32.
        max_length_q: Tokens of the longest sequence.
        others: For torch's own attention.

    Returns:
        [1, S, heads, D], and None instead of the weights.
    """
    if cu_seq_lens_q is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **others
        )
    assert max_length_q is not None
    if torch.is_autocast_enabled(query.device.type):
        # Rotated queries and keys are float32 if the weights are.
        dtype = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    if _runs_unequal_lengths(query):
        from torch.nn.attention.varlen import varlen_attn

        output: Any = varlen_attn(
            query[0].transpose(0, 1),
            key[0].transpose(0, 1),
            value[0].transpose(0, 1),
            cu_seq_lens_q,
            cu_seq_lens_q,
            max_length_q,
            max_length_q,
            scale=scaling,
            window_size=(-1, 0),  # causal
            enable_gqa=True,
        )
        return output[None], None
    return _one_by_one(query, key, value, cu_seq_lens_q, scaling), None


def _one_by_one(
    query: Tensor, key: Tensor, value: Tensor, boundaries: Tensor, scaling: float | None
) -> Tensor:
    lengths = boundaries.diff().tolist()
    outputs = [
        scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=True)
        for q, k, v in zip(*(x.split(lengths, dim=2) for x in (query, key, value)), strict=True)
    ]
    return torch.cat(outputs, dim=2).transpose(1, 2)


def _runs_unequal_lengths(query: Tensor) -> bool:
    return (
        query.is_cuda
        and query.dtype in (torch.bfloat16, torch.float16)
        and query.shape[-1] <= 256
        and query.shape[-1] % 8 == 0
        and _has_unequal_length_attention()
    )


def _has_unequal_length_attention() -> bool:
    """Return whether this torch has the function, for fewer key-value heads than query heads."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return False
    return "enable_gqa" in inspect.signature(varlen_attn).parameters


AttentionInterface.register(PACKED_ATTENTION, packed_attention)
AttentionMaskInterface.register(PACKED_ATTENTION, sdpa_mask)
