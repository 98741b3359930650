"""Attention of one new token where several query heads share a key head, without copies.

Given a mask, the library repeats all keys and values for each query head at every token. Here the
query heads that share a key head take the place of a sequence's queries: one product for all.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import causal_mask_function, sdpa_mask

from pmd_pipeline.policies.packing import PACKED_ATTENTION

_NAME = "sdpa_grouped_decoding"


@contextmanager
def grouped_attention(model: PreTrainedModel) -> Iterator[None]:
    """Make ``model`` attend this way inside the block, if it uses torch's scaled dot product."""
    own = model.config._attn_implementation
    if own not in ("sdpa", PACKED_ATTENTION):  # the latter differs only for packed sequences
        yield
        return
    model.set_attn_implementation(_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(own)


def uses_grouped_attention(model: PreTrainedModel) -> bool:
    """Return whether ``model`` attends this way now."""
    return bool(model.config._attn_implementation == _NAME)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attend as :func:`sdpa_attention_forward` does; query is [B, heads, Q, dim]."""
    batch, num_heads, num_queries, dim = query.shape
    num_groups = key.shape[1]
    differs_by_head = attention_mask is not None and attention_mask.shape[1] > 1
    if (
        num_queries > 1
        or num_heads == num_groups
        or differs_by_head
        or options.get("position_bias") is not None
    ):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **options
        )
    attended = torch.nn.functional.scaled_dot_product_attention(
        query.reshape(batch, num_groups, num_heads // num_groups, dim),
        key,
        value,
        attn_mask=attention_mask,
        scale=scaling,
    )
    return attended.reshape(batch, 1, num_heads, value.shape[-1]), None


def decoding_mask(
    *,
    q_length: int,
    attention_mask: Tensor | None = None,
    mask_function: Any = causal_mask_function,
    allow_is_causal_skip: bool = True,
    dtype: torch.dtype = torch.float32,
    **options: Any,
) -> Tensor | None:
    """Return what :func:`sdpa_mask` does; for one new token at once, as what is added to scores.

    Such a token follows all others, so its mask is the padding's, and is made once for all layers.
    """
    is_plain = mask_function is causal_mask_function and options.get("local_size") is None
    if q_length > 1 or not is_plain or not allow_is_causal_skip:
        return sdpa_mask(
            q_length=q_length,
            attention_mask=attention_mask,
            mask_function=mask_function,
            allow_is_causal_skip=allow_is_causal_skip,
            dtype=dtype,
            **options,
        )
    if attention_mask is None:
        return None
    own = attention_mask[:, None, None, :]
    return torch.zeros_like(own, dtype=dtype).masked_fill_(~own, -torch.inf)


AttentionInterface.register(_NAME, attend)
AttentionMaskInterface.register(_NAME, decoding_mask)
