"""What a terminal shows about a study: bars while it runs, a table of its trials."""

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from pmd_pipeline.progress.screen import Bar, Screen, can_draw
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.console import ConsoleTable, plain_table
from pmd_pipeline.studies.findings import STATES, accuracy
from pmd_pipeline.studies.retries import ERROR, count_trials

_log = logging.getLogger(__name__)


class StudyProgress:
    """Bars on a terminal; otherwise a line per finished trial.

    Args:
        name: The study's.
        num_trials: Finished trials after which it stops.
        clock: Seconds.
    """

    def __init__(
        self, name: str, num_trials: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._num_trials = num_trials
        self._clock = clock
        self._screen = Screen(clock=clock) if can_draw(sys.stderr) else None
        self._known: set[int] | None = None
        self._num_given = 0
        self._began = clock()

    def __enter__(self) -> Self:
        if self._screen is not None:
            self._screen.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._screen is not None:
            self._screen.stop()

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Show the study's current state."""
        finished, _ = count_trials(list(trials))
        done = {trial.number for trial in trials if trial.state.is_finished()}
        if self._known is None:
            # What an earlier run has done is not news, and says nothing of how fast this one is.
            self._known, self._num_given, self._began = done, finished, self._clock()
        if self._screen is None:
            for trial in trials:
                if trial.number in done - self._known:
                    _log.info("%s", describe_trial(trial))
        else:
            self._draw(self._screen, trials, finished)
        self._known = done

    def _draw(self, screen: Screen, trials: Sequence[FrozenTrial], finished: int) -> None:
        new = finished - self._num_given
        left = max(0, self._num_trials - finished)
        bar = Bar(
            description=f"study {self._name}",
            done=finished,
            total=self._num_trials,
            unit="trials",
        )
        screen.show_whole(
            bar, seconds_left=(self._clock() - self._began) / new * left if new > 0 else None
        )
        states = Counter(trial.state for trial in trials)
        values = [accuracy(t) for t in trials if t.state == TrialState.COMPLETE]
        parts = [f"highest {formatting.share(max(values))}"] if values else ["trials"]
        parts += [
            f"{states[state]} {STATES[state]}"
            for state in (TrialState.PRUNED, TrialState.FAIL)
            if states[state]
        ]
        screen.show_part(", ".join(parts))


def describe_trial(trial: FrozenTrial) -> str:
    """Return one line about a finished trial."""
    values = ", ".join(f"{name} {formatting.number(value)}" for name, value in trial.params.items())
    state = STATES[trial.state]
    if trial.state == TrialState.COMPLETE:
        state = f"{state} {formatting.share(accuracy(trial))}"
    elif trial.state == TrialState.FAIL:
        state = f"{state} ({trial.user_attrs.get(ERROR, 'worker died')})"
    return formatting.plain_ascii(f"trial {trial.number} {state}: {values}")


def trials_table(trials: pd.DataFrame, names: Sequence[str], *, metric: str) -> ConsoleTable:
    """Return the trials as a table for a console, with a column for each of their parameters.

    Args:
        trials: One row per trial.
        names: Of the parameters.
        metric: What their values are, such as ``avg@4``.
    """
    rows = [
        [
            str(row["trial"]),
            str(row["state"]),
            formatting.share(row["value"]),
            *(_cell(row[name]) for name in names),
            formatting.number(round(row["training_seconds"], 1)),
            " ".join(str(row["error"]).split()),
        ]
        for _, row in trials.iterrows()
    ]
    return plain_table(
        [[formatting.plain_ascii(cell) for cell in row] for row in rows],
        names=["trial", "state"],
        numbers=[metric, *names, "seconds"],
        texts=["error"],
    )


def _cell(value: object) -> str:
    return formatting.MISSING if value is None or value != value else formatting.number(value)
