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


def growing_layers(cache: DynamicCache) -> list["GrowingLayer"]:
    """Return the layers of a cache that has no others than ours."""
    return [layer for layer in cache.layers if isinstance(layer, GrowingLayer)]


class Room:
    """Rows of columns, [B, heads, T, dim], that grow to the right and end in the same column.

    Rows that join are aligned on the right; the columns before their own are zero. What is in use
    is a part of a larger tensor, which is replaced when it is full: memory of rows and columns that
    were given up is free from then on.

    Args:
        content: What is there at first; it is not copied.

    Attributes:
        content: What is in use, a view.
    """

    def __init__(self, content: Tensor) -> None:
        self._whole = content
        self._num_rows, _, self._end, _ = content.shape
        self._first = 0
        self.content = content

    @property
    def width(self) -> int:
        """Columns in use, T."""
        return self._end - self._first

    def extend(self) -> Tensor:
        """Give all rows one more column; return the content. The column is to be written."""
        return self._extend(1)

    def append(self, columns: Tensor) -> Tensor:
        """Append columns to all rows; return the content."""
        content = self._extend(columns.shape[2])
        content[:, :, -columns.shape[2] :] = columns
        return content

    def join(self, rows: Tensor) -> None:
        """Append rows, [N, heads, T of their own, dim], below the others."""
        num_rows, width = self._num_rows + len(rows), rows.shape[2]
        if num_rows > len(self._whole) or width > self.width:
            self._replace(num_rows, max(width, self.width), TOKENS_TO_GROW_BY)
        new = self._whole[self._num_rows : num_rows, :, self._first : self._end]
        new[:, :, : self.width - width] = 0
        new[:, :, self.width - width :] = rows
        self._num_rows = num_rows
        self._use()

    def move(self, sources: Tensor, targets: Tensor, num_rows: int) -> None:
        """Put rows in the place of others, int64 each, then keep the first ``num_rows``."""
        self.content[targets] = self.content[sources]
        self._num_rows = num_rows
        self._use()

    def repeat(self, indices: Tensor) -> None:
        """Make row i what row ``indices[i]`` was."""
        self._whole = self.content[indices]
        self._num_rows, self._first, self._end = len(indices), 0, self.width
        self._use()

    def trim(self, width: int) -> None:
        """Give up all columns but the last ``width``."""
        self._first = max(self._first, self._end - width)
        self._use()

    def _extend(self, num_columns: int) -> Tensor:
        if self._end + num_columns > self._whole.shape[2]:
            self._replace(self._num_rows, self.width, num_columns + TOKENS_TO_GROW_BY)
        self._end += num_columns
        rows = self._whole.narrow(0, 0, self._num_rows)
        self.content = content = rows.narrow(2, self._first, self._end - self._first)
        return content

    def _use(self) -> None:
        self.content = self._whole[: self._num_rows, :, self._first : self._end]

    def _replace(self, num_rows: int, width: int, num_spare: int) -> None:
        """Move into a larger tensor, in which ``width`` columns are in use."""
        _, num_heads, _, dim = self._whole.shape
        whole = self._whole.new_empty((num_rows, num_heads, width + num_spare, dim))
        begin = width - self.width
        whole[: self._num_rows, :, :begin] = 0
        whole[: self._num_rows, :, begin:width] = self.content
        self._whole, self._first, self._end = whole, 0, width
        self._use()


class GrowingLayer(DynamicLayer):
    """One layer; ``keys`` and ``values`` are views of what is in use, [B, heads, T, dim]."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._key_room = self._value_room = Room(torch.empty(0, 0, 0, 0))

    @property
    def contents(self) -> tuple[Tensor, Tensor]:
        """Keys and values."""
        return self._key_room.content, self._value_room.content

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Append the new tokens and return the keys and values of all."""
        if not self.is_initialized:
            self._begin(key_states, value_states)
            return self._use()
        self.keys = keys = self._key_room.append(key_states)
        self.values = values = self._value_room.append(value_states)
        return keys, values

    def extend(self) -> tuple[Tensor, Tensor]:
        """Return keys and values with a column more for the next token, which is to be written."""
        self.keys = keys = self._key_room.extend()
        self.values = values = self._value_room.extend()
        return keys, values

    def join(self, other: "GrowingLayer", indices: Tensor) -> None:
        """Append rows: what ``other`` holds in its rows ``indices``, ending where the rest ends."""
        keys, values = other.contents
        if not self.is_initialized:
            self._begin(keys[:0, :, :0], values[:0, :, :0])
        self._key_room.join(keys[indices])
        self._value_room.join(values[indices])
        self._use()

    def move(self, sources: Tensor, targets: Tensor, num_rows: int) -> None:
        """Put rows in the place of others, then keep the first ``num_rows``."""
        self._key_room.move(sources, targets, num_rows)
        self._value_room.move(sources, targets, num_rows)
        self._use()

    def trim(self, width: int) -> None:
        """Give up all tokens but the last ``width``."""
        self._key_room.trim(width)
        self._value_room.trim(width)
        self._use()

    def batch_select_indices(self, indices: Tensor) -> None:
        """Make row i what row ``indices[i]`` was; a row may be wanted more than once.

        If rows are dropped, only those that change place are copied; the memory of dropped rows is
        freed when the rest next grows.
        """
        if len(indices) > len(self.contents[0]):
            self._key_room.repeat(indices)
            self._value_room.repeat(indices)
            self._use()
            return
        targets = (indices != torch.arange(len(indices), device=indices.device)).nonzero()[:, 0]
        self.move(indices[targets], targets, len(indices))

    def _begin(self, keys: Tensor, values: Tensor) -> None:
        self.lazy_initialization(keys, values)
        self._key_room, self._value_room = Room(keys), Room(values)

    def _use(self) -> tuple[Tensor, Tensor]:
        self.keys, self.values = keys, values = self.contents
        return keys, values
