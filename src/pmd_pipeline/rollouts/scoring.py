"""Scores of responses, worked out while others are still being sampled."""

import queue
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from pmd_pipeline.records import Completion, Prompt, Score
from pmd_pipeline.rewards import RewardFunction

Group = tuple[int, list[Completion]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredResponse:
    """A response as text, special tokens left out, and its score."""

    response: str
    score: Score


class EarlyScoring:
    """Scores groups as an engine finishes them, in a thread; a context manager.

    A group's scores depend on the group alone, so it does not matter which groups come early.

    Args:
        reward: Called by one thread at a time.
        tokenizer: Turns tokens into text.
        prompts: P prompts; a group is named by its prompt's position.
    """

    def __init__(self, reward: RewardFunction, tokenizer: Any, prompts: Sequence[Prompt]) -> None:
        self._reward = reward
        self._tokenizer = tokenizer
        self._prompts = prompts
        self._groups: queue.SimpleQueue[Group | None] = queue.SimpleQueue()
        self._scored: dict[int, list[ScoredResponse]] = {}
        self._error: BaseException | None = None
        self._is_abandoned = False
        self._thread: threading.Thread | None = None

    def take(self, position: int, completions: list[Completion]) -> None:
        """Score the finished group of the prompt at ``position`` soon, and return at once.

        Raises:
            Exception: What the reward function raised on an earlier group: the rest need not be
                sampled.
        """
        if self._error is not None:
            raise self._error
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="scoring", daemon=True)
            self._thread.start()
        self._groups.put((position, completions))

    def finish(self, groups: Sequence[list[Completion]]) -> list[list[ScoredResponse]]:
        """Score what has not been scored yet; return the scores of all P groups.

        Raises:
            Exception: What the reward function raised.
        """
        self._stop()
        if self._error is not None:
            raise self._error
        rest = [(i, group) for i, group in enumerate(groups) if i not in self._scored]
        self._score(rest)
        return [self._scored[i] for i in range(len(groups))]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_abandoned = error is not None
        self._stop()

    def _stop(self) -> None:
        if self._thread is not None:
            self._groups.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        more = True
        while more:
            waiting = [self._groups.get()]
            while not self._groups.empty():
                waiting.append(self._groups.get())
            more = None not in waiting and not self._is_abandoned
            try:
                if not self._is_abandoned:
                    self._score(group for group in waiting if group is not None)
            except BaseException as error:  # `finish` raises it in the caller's thread
                self._error = error
                return

    def _score(self, groups: Iterable[Group]) -> None:
        groups = list(groups)
        if not groups:
            return
        prompts = [self._prompts[i] for i, completions in groups for _ in completions]
        responses = self._tokenizer.batch_decode(
            [list(completion.token_ids) for _, completions in groups for completion in completions],
            skip_special_tokens=True,
        )
        scores = self._reward(prompts, responses)
        scored = (
            ScoredResponse(response=response, score=score)
            for response, score in zip(responses, scores, strict=True)
        )
        for i, completions in groups:
            self._scored[i] = [next(scored) for _ in completions]
