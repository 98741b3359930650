"""Keys and values of the tokens so far, with spare room for the next ones.

The library's own cache copies everything at each token in order to append one.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PretrainedConfig
from transformers.cache_utils import DynamicLayer

TOKENS_TO_GROW_BY = 128


def growing_cache(config: PretrainedConfig) -> DynamicCache:
    """Return an empty cache for a model.

    Layers of full attention keep spare room; others (a sliding window, a state space) are small and
    stay as the library makes them.
    """
    cache = DynamicCache(config=config)
    cache.layers = [
        GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return cache


class GrowingLayer(DynamicLayer):
    """One layer; ``keys`` and ``values`` are views of the part in use, [B, heads, T, dim]."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._key_room = self._value_room = torch.empty(0)

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Append the new tokens and return the keys and values of all."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._key_room, self._value_room = key_states[:, :, :0], value_states[:, :, :0]
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if end > self._key_room.shape[-2]:
            self._key_room = _grown(self._key_room, start, end + TOKENS_TO_GROW_BY)
            self._value_room = _grown(self._value_room, start, end + TOKENS_TO_GROW_BY)
        self._key_room[:, :, start:end] = key_states
        self._value_room[:, :, start:end] = value_states
        return self._use(end)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Make row i what row ``indices[i]`` was; a row may be wanted more than once.

        If rows are dropped, only those that change place are copied; the memory of dropped rows is
        freed when the rest next grows.
        """
        num_rows, length = len(indices), self.get_seq_length()
        if num_rows > len(self._key_room):
            self._key_room = self._key_room[indices, :, :length]
            self._value_room = self._value_room[indices, :, :length]
        else:
            moved = (indices != torch.arange(num_rows, device=indices.device)).nonzero().squeeze(-1)
            for room in (self._key_room, self._value_room):
                room[moved, :, :length] = room[indices[moved], :, :length]
            self._key_room = self._key_room[:num_rows]
            self._value_room = self._value_room[:num_rows]
        self._use(length)

    def _use(self, length: int) -> tuple[Tensor, Tensor]:
        self.keys = keys = self._key_room[:, :, :length]
        self.values = values = self._value_room[:, :, :length]
        return keys, values


def _grown(room: Tensor, used: int, capacity: int) -> Tensor:
    batch, num_heads, _, dim = room.shape
    grown = room.new_empty((batch, num_heads, capacity, dim))
    grown[:, :, :used] = room[:, :, :used]
    return grown
