"""Which response is decoded when: a waiting one takes a finished one's place.

The schedule follows from prompts, seeds and tokens alone, so the same call makes the same batches
again.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pmd_pipeline.engines.base import GroupFinished
from pmd_pipeline.engines.decoding import ModelReader, ReadPrompts
from pmd_pipeline.engines.decoding_rows import BatchRows, DecodingRows, JoiningRows
from pmd_pipeline.engines.running import RunningResponses, Sample
from pmd_pipeline.engines.sampling import draw_tokens
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion

# Prompts that were read together wait with their keys and values for places: never more of them
# than a quarter of the batch's rows.
_ROWS_PER_READ_PROMPT = 4


def sample_unit(
    policy: Policy,
    unit: Unit,
    *,
    max_rows: int,
    stop_token_ids: Collection[int] | None = None,
    progress: Progress | None = None,
    group_finished: GroupFinished | None = None,
) -> list[list[Completion]]:
    """Return the responses to each prompt.

    Args:
        policy: The policy, its model ready to decode.
        unit: What is sampled.
        max_rows: Responses decoded at the same time. Where rows must begin together, a prompt's
            are, even if they are more.
        stop_token_ids: Tokens that end a response; None: the policy's.
        progress: Told of each finished response.
        group_finished: Called with each group that is finished while others are being sampled.
    """
    reader = ModelReader(policy)
    rows: DecodingRows = JoiningRows(reader) if reader.plan.can_join else BatchRows(reader)
    waiting = _Waiting(reader, unit, max_rows)
    running = RunningResponses(
        unit.sampling.max_new_tokens,
        policy.stop_token_ids if stop_token_ids is None else stop_token_ids,
        num_records=min(waiting.max_rows, len(unit.prompts) * unit.num_samples),
    )
    finished = _FinishedGroups(len(unit.prompts), unit.num_samples)
    tokens = torch.empty(0)
    while rows.num_rows > 0 or waiting.has_more:
        logits = [rows.read(tokens)] if rows.num_rows > 0 else []
        for joining in waiting.fill(rows):
            running.begin(joining.samples, [unit.seeds[s.prompt] for s in joining.samples])
            logits.append(joining.logits)
        uniforms = torch.from_numpy(running.uniforms()).to(reader.device)
        tokens, log_probs = draw_tokens(_one_tensor(logits), uniforms, unit.sampling)
        completed, kept = running.write(tokens.cpu().numpy(), log_probs.cpu().numpy())
        if kept is None:
            continue
        rows.keep(kept)
        tokens = tokens[torch.from_numpy(kept).to(reader.device)]
        if progress is not None:
            progress.update(len(completed))
        for position, group in finished.add(completed):
            if group_finished is not None and (rows.num_rows > 0 or waiting.has_more):
                group_finished(position, group)
    return finished.groups


def _one_tensor(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


class _FinishedGroups:
    """Responses in their groups, as they come in."""

    def __init__(self, num_prompts: int, num_samples: int) -> None:
        self._num_samples = num_samples
        self._samples: list[dict[int, Completion]] = [{} for _ in range(num_prompts)]
        self.groups: list[list[Completion]] = [[] for _ in range(num_prompts)]

    def add(
        self, completed: Sequence[tuple[Sample, Completion]]
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Take responses; give the position and the responses of each group that is now whole."""
        for sample, completion in completed:
            samples = self._samples[sample.prompt]
            samples[sample.place] = completion
            if len(samples) == self._num_samples:
                group = self.groups[sample.prompt]
                group += (samples[place] for place in range(self._num_samples))
                yield sample.prompt, group


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joining:
    """Responses that begin: which, and the logits of their first tokens, [N, V]."""

    samples: list[Sample]
    logits: Tensor


class _Waiting:
    """The responses that have no place yet, those of short prompts first: less padding to read.

    Prompts are read some at a time, and each once, however many samples it has.
    """

    def __init__(self, reader: ModelReader, unit: Unit, max_rows: int) -> None:
        self._reader = reader
        self._unit = unit
        self._can_join = reader.plan.can_join
        self._read_rows = max_rows
        self.max_rows = max_rows if self._can_join else max(max_rows, unit.num_samples)
        self._chunks = deque(self._cut())
        self._read: ReadPrompts | None = None
        self._num_begun = 0  # of the first chunk's responses

    @property
    def has_more(self) -> bool:
        """Whether responses have not begun."""
        return bool(self._chunks)

    def fill(self, rows: DecodingRows) -> Iterator[_Joining]:
        """Give the free rows to waiting responses."""
        if not self._can_join and rows.num_rows > 0:
            return
        while self._chunks and rows.num_rows < self.max_rows:
            yield self._begin(rows, self.max_rows - rows.num_rows)
            if not self._can_join:
                return

    def _begin(self, rows: DecodingRows, num_free: int) -> _Joining:
        chunk, num_samples = self._chunks[0], self._unit.num_samples
        if self._read is None:
            self._read = self._reader.read_prompts([self._unit.prompts[i] for i in chunk])
        end = min(self._num_begun + num_free, len(chunk) * num_samples)
        in_chunk, place = np.divmod(np.arange(self._num_begun, end), num_samples)
        logits = self._read.logits[torch.from_numpy(in_chunk).to(self._reader.device)]
        rows.join(self._read, in_chunk)
        self._num_begun = end
        if end == len(chunk) * num_samples:
            self._chunks.popleft()
            self._read, self._num_begun = None, 0
        samples = [
            Sample(chunk[i], j) for i, j in zip(in_chunk.tolist(), place.tolist(), strict=True)
        ]
        return _Joining(samples=samples, logits=logits)

    def _cut(self) -> list[list[int]]:
        """Return the prompts' positions in parts that are read together."""
        prompts, unit = self._unit.prompts, self._unit
        size = self._read_rows // unit.num_samples
        if self._can_join:
            size = min(size, self._read_rows // _ROWS_PER_READ_PROMPT)
        parts: list[list[int]] = []
        for i in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
            fits = bool(parts) and len(parts[-1]) < size
            if fits and (
                self._reader.plan.can_pad or len(prompts[parts[-1][0]]) == len(prompts[i])
            ):
                parts[-1].append(i)
            else:
                parts.append([i])
        return parts
