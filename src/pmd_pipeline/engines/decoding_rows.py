"""Rows that are being decoded: what the model keeps of each, and which of them still run."""

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pmd_pipeline.engines.decoding import ModelReader, ReadPrompts
from pmd_pipeline.engines.growing_cache import GrowingLayer, Room, growing_layers
from pmd_pipeline.engines.rows import select_rows
from pmd_pipeline.engines.running import Indices


class DecodingRows(Protocol):
    """B rows, each a prompt and the tokens sampled so far."""

    num_rows: int

    def join(self, prompts: ReadPrompts, indices: Indices) -> None:
        """Append rows that begin with the prompts ``indices``, which may repeat."""

    def keep(self, indices: Indices) -> None:
        """Make row i what row ``indices[i]`` was, and drop the others."""

    def read(self, tokens: Tensor) -> Tensor:
        """Return the logits that follow one more token of each row, [B, V]."""


class JoiningRows:
    """Rows that may begin at any time: all end in one column, each began in its own.

    No column is carried that all rows are past: when the longest row leaves, its first columns go.
    """

    def __init__(self, reader: ModelReader) -> None:
        self.num_rows = 0
        self._reader = reader
        self._cache = reader.new_cache()
        self._lengths = np.zeros(0, dtype=np.int64)  # of each row, on the host
        # Which columns are a row's own, with a head and a dimension, as keys have.
        self._own = Room(torch.zeros((0, 1, 0, 1), dtype=torch.bool, device=reader.device))

    def join(self, prompts: ReadPrompts, indices: Indices) -> None:
        """Append rows; see :class:`DecodingRows`."""
        rows = torch.from_numpy(indices).to(self._reader.device)
        for layer, of_prompts in zip(
            growing_layers(self._cache), growing_layers(prompts.state), strict=True
        ):
            layer.join(of_prompts, rows)
        own = torch.ones_like(prompts.token_ids, dtype=torch.bool)
        if prompts.mask is not None:
            own = prompts.mask
        self._own.join(own[rows, None, :, None])
        self._lengths = np.concatenate([self._lengths, prompts.lengths[indices]])
        self.num_rows = len(self._lengths)

    def keep(self, indices: Indices) -> None:
        """Drop rows; see :class:`DecodingRows`."""
        moved = np.flatnonzero(indices != np.arange(len(indices)))
        targets = torch.from_numpy(moved).to(self._reader.device)
        sources = torch.from_numpy(indices[moved]).to(self._reader.device)
        self._lengths = self._lengths[indices]
        self.num_rows = len(indices)
        longest = int(self._lengths.max(initial=0))
        parts: list[Room | GrowingLayer] = [self._own, *growing_layers(self._cache)]
        for part in parts:
            part.move(sources, targets, self.num_rows)
            part.trim(longest)

    def read(self, tokens: Tensor) -> Tensor:
        """Read one token of each row; see :class:`DecodingRows`."""
        own = self._own.append(self._own.content.new_ones((self.num_rows, 1, 1, 1)))
        positions = torch.from_numpy(self._lengths[:, None]).to(self._reader.device)
        has_padding = int(self._lengths.min()) < own.shape[2] - 1
        mask = own[:, 0, :, 0] if has_padding else None
        logits = self._reader.read_token(tokens[:, None], positions, mask, self._cache)
        self._lengths = self._lengths + 1
        return logits


class BatchRows:
    """Rows that begin together, whatever the model keeps of them."""

    def __init__(self, reader: ModelReader) -> None:
        self.num_rows = 0
        self._reader = reader
        self._state: Any = None
        self._text = self._positions = self._lengths = torch.empty(0)
        self._mask: Tensor | None = None

    def join(self, prompts: ReadPrompts, indices: Indices) -> None:
        """Begin with these rows; see :class:`DecodingRows`."""
        assert self.num_rows == 0, "rows of a batch begin together"
        self._state, self._mask = prompts.state, prompts.mask
        self._text, self._positions = prompts.token_ids, prompts.positions
        self._lengths = torch.from_numpy(prompts.lengths).to(self._reader.device)
        self.num_rows = len(prompts.lengths)
        self.keep(indices)

    def keep(self, indices: Indices) -> None:
        """Select rows; see :class:`DecodingRows`."""
        if len(indices) == 0:
            self.num_rows, self._state = 0, None
            return
        rows = torch.from_numpy(indices).to(self._reader.device)
        self._state = select_rows(self._state, rows, num_rows=self.num_rows)
        self._lengths = self._lengths[rows]
        if self._mask is not None:
            self._mask = self._mask[rows]
        if self._state is None:
            self._text, self._positions = self._text[rows], self._positions[rows]
        self.num_rows = len(indices)

    def read(self, tokens: Tensor) -> Tensor:
        """Read one token of each row, or all texts anew; see :class:`DecodingRows`."""
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        positions = self._lengths[:, None]
        self._lengths = self._lengths + 1
        new = tokens[:, None]
        if self._state is None:
            self._text = new = torch.cat([self._text, new], dim=1)
            self._positions = positions = torch.cat([self._positions, positions], dim=1)
        logits, self._state = self._reader.read(new, positions, self._mask, self._state)
        return logits
