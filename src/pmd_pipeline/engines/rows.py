"""Rows of what a model keeps of the tokens so far, whatever it keeps and however it is nested.

The library's caches offer methods that select rows, but not all of them, and not for all of their
content: layers with a recurrent state have no ``batch_select_indices``, and some subclasses that
hold more than their parent inherit a ``reorder_cache`` that forgets it.
"""

from typing import Any

from torch import Tensor, nn
from transformers import PretrainedConfig

from pmd_pipeline.engines.growing_cache import GrowingLayer


def select_rows(state: Any, indices: Tensor, *, num_rows: int) -> Any:
    """Return ``state`` with row i being what row ``indices[i]`` was; objects are changed in place.

    Args:
        state: Tensors that have a row for each sequence as their first dimension, in objects,
            mappings, lists and tuples; tensors of another length are kept as they are.
        indices: Rows to keep, in any order and as often as they should be there, int64.
        num_rows: Rows so far.
    """
    return _select(state, indices, num_rows, {})


def _select(part: Any, indices: Tensor, num_rows: int, done: dict[int, tuple[Any, Any]]) -> Any:
    """Select in a part; ``done`` has what was met, so that shared tensors stay shared."""
    if id(part) in done:
        return done[id(part)][1]

    def select(inner: Any) -> Any:
        return _select(inner, indices, num_rows, done)

    result = part
    if isinstance(part, Tensor):
        if part.dim() > 0 and len(part) == num_rows:
            result = part.index_select(0, indices.to(part.device))
    elif isinstance(part, GrowingLayer):
        part.batch_select_indices(indices)
    elif isinstance(part, dict):
        result = {key: select(value) for key, value in part.items()}
    elif isinstance(part, list | tuple):
        result = type(part)(map(select, part))
    elif hasattr(part, "__dict__") and not isinstance(part, type | nn.Module | PretrainedConfig):
        done[id(part)] = (part, part)
        for name, value in vars(part).items():
            # Positions on several axes are [axes, B, T].
            if name == "position_ids" and isinstance(value, Tensor) and value.dim() == 3:
                setattr(part, name, select(value.transpose(0, 1)).transpose(0, 1))
            else:
                setattr(part, name, select(value))
    done[id(part)] = (part, result)
    return result
