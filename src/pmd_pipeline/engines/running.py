"""The responses under way, on the host: what has been sampled of each, and what will decide it."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pmd_pipeline.engines.sampling import uniform_stream
from pmd_pipeline.records import Completion

Indices = NDArray[np.int64]


class Sample(NamedTuple):
    """Which response: its prompt's position, and its place in the group."""

    prompt: int
    place: int


class RunningResponses:
    """B responses, one for each row that is decoded, in the rows' order.

    Args:
        max_new_tokens: Longest response.
        stop_token_ids: Tokens that end one.
        num_records: How many are under way at most.
    """

    def __init__(
        self, max_new_tokens: int, stop_token_ids: Collection[int], num_records: int
    ) -> None:
        shape = (num_records, max_new_tokens)
        self._uniforms = np.empty(shape, dtype=np.float32)
        self._token_ids = np.empty(shape, dtype=np.int64)
        self._log_probs = np.empty(shape, dtype=np.float32)
        self._samples: list[Sample] = [Sample(0, 0)] * num_records
        self._max_new_tokens = max_new_tokens
        self._is_stop = np.zeros(max(stop_token_ids, default=0) + 2, dtype=np.bool_)
        self._is_stop[list(stop_token_ids)] = True  # the last place is for all tokens beyond
        # Of each row: its record, which stays in its place, and its tokens so far.
        self._records = np.empty(0, dtype=np.int64)
        self._lengths = np.empty(0, dtype=np.int64)
        self._free = list(range(num_records))

    def begin(self, samples: Sequence[Sample], seeds: Sequence[int]) -> None:
        """Add rows below the others; each seed is that of the sample's prompt."""
        records = [self._free.pop() for _ in samples]
        for record, sample, seed in zip(records, samples, seeds, strict=True):
            self._samples[record] = sample
            self._uniforms[record] = uniform_stream(seed, sample.place, self._max_new_tokens)
        self._records = np.concatenate([self._records, records])
        self._lengths = np.concatenate([self._lengths, np.zeros_like(records)])

    def uniforms(self) -> NDArray[np.float32]:
        """Return the number that decides each row's next token, [B]."""
        numbers: NDArray[np.float32] = self._uniforms[self._records, self._lengths]
        return numbers

    def write(
        self, token_ids: NDArray[np.int64], log_probs: NDArray[np.float32]
    ) -> tuple[list[tuple[Sample, Completion]], Indices | None]:
        """Add each row's next token, and give up the rows that it finishes.

        Returns:
            What is finished, and the rows that are kept (each in its place, the last ones in those
            that became free); None for the rows if all stay as they are.
        """
        self._token_ids[self._records, self._lengths] = token_ids
        self._log_probs[self._records, self._lengths] = log_probs
        self._lengths += 1
        stopped = self._is_stop[np.minimum(token_ids, len(self._is_stop) - 1)]
        is_finished = stopped | (self._lengths == self._max_new_tokens)
        if not is_finished.any():
            return [], None
        finished = [
            self._take(record, length, truncated=not stops)
            for record, length, stops in zip(
                self._records[is_finished].tolist(),
                self._lengths[is_finished].tolist(),
                stopped[is_finished].tolist(),
                strict=True,
            )
        ]
        kept = _kept_rows(is_finished)
        self._records, self._lengths = self._records[kept], self._lengths[kept]
        return finished, kept

    def _take(self, record: int, length: int, *, truncated: bool) -> tuple[Sample, Completion]:
        self._free.append(record)
        completion = Completion(
            token_ids=tuple(self._token_ids[record, :length].tolist()),
            log_probs=self._log_probs[record, :length].copy(),
            truncated=truncated,
        )
        return self._samples[record], completion


def _kept_rows(is_finished: NDArray[np.bool_]) -> Indices:
    num_kept = len(is_finished) - int(is_finished.sum())
    kept = np.arange(num_kept)
    kept[is_finished[:num_kept]] = num_kept + np.flatnonzero(~is_finished[num_kept:])
    return kept
