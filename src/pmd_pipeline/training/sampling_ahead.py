"""Rollouts of the rounds to come, sampled while a round is trained: docs/lag.md.

Which policy a round is sampled from follows from the schedule alone, never from the clock: round k
trains on rollouts of the policy before round max(first of the phase, k - lag). Policies are
published between rounds, and all that is under way is collected before the round counts as done, so
its saved state has the rollouts that are ahead.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.rollouts.collect import Collected
from pmd_pipeline.training.round_sampling import SubmittedRound
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.trainer import Trainer

Submit = Callable[[int, int], SubmittedRound]
"""Has the rollouts of a round (from 0) sampled from a version of the policy."""


class SamplingAhead:
    """The rollouts of a phase's rounds, up to ``lag`` rounds ahead of training; a context manager.

    Args:
        submit: Gives a round's rollouts to the engine.
        engine: What samples, with weights of its own.
        trainer: Whose policy is sampled from.
        setup: Has the schedule.
        ready: Rollouts that are sampled already, by round: those of a state that is continued.

    Example::

        with SamplingAhead(...) as ahead:
            for round_index in range(first_round, last_round):
                collected, waited = ahead.begin(round_index)
                ...  # train on them
                waited += ahead.finish()
    """

    def __init__(
        self,
        submit: Submit,
        engine: RolloutEngine,
        trainer: Trainer,
        *,
        setup: TrainingSetup,
        ready: Mapping[int, Collected],
    ) -> None:
        self._submit = submit
        self._engine = engine
        self._trainer = trainer
        self._setup = setup
        self._ready = dict(ready)
        self._thread = ThreadPoolExecutor(1, "sampling ahead")
        self._under_way: Future[dict[int, Collected]] | None = None

    @property
    def ready(self) -> dict[int, Collected]:
        """Rollouts of the rounds to come, by round."""
        return dict(self._ready)

    def begin(self, round_index: int) -> tuple[Collected, float]:
        """Return the rollouts of a round, and begin to sample what is to be ahead of it.

        The trainer's policy is that of before the round; it may be updated when this returns.

        Returns:
            The rollouts, and the seconds that this took.
        """
        started = time.perf_counter()
        wanted = self._setup.rounds_ahead(round_index)
        missing = [index for index in wanted if index not in self._ready]
        if missing:
            version = self._engine.publish(self._trainer.whole_policy())
            if missing[0] == round_index:
                self._ready[round_index] = self._submit(missing.pop(0), version).collect()
            submitted = {index: self._submit(index, version) for index in missing}
            if submitted:
                self._under_way = self._thread.submit(_collect_all, submitted)
        return self._ready.pop(round_index), time.perf_counter() - started

    def finish(self) -> float:
        """Wait for what is being sampled; return the seconds that this took."""
        started = time.perf_counter()
        if self._under_way is not None:
            self._ready |= self._under_way.result()
            self._under_way = None
        return time.perf_counter() - started

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._under_way is not None and not self._under_way.done():
            self._engine.close()  # who waits for it is told
        self._thread.shutdown()


def _collect_all(submitted: Mapping[int, SubmittedRound]) -> dict[int, Collected]:
    return {index: rollouts.collect() for index, rollouts in submitted.items()}
