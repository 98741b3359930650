"""What a terminal shows about a study: a bar while it runs, a table of its trials."""

import logging
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import pandas as pd
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.console import ConsoleTable, plain_table
from pmd_pipeline.studies.findings import STATES, accuracy
from pmd_pipeline.studies.retries import ERROR, count_trials

_log = logging.getLogger(__name__)


class StudyProgress:
    """A progress bar on a terminal; otherwise a line per finished trial."""

    def __init__(self, name: str, num_trials: int) -> None:
        self._bar = tqdm(total=num_trials, desc=f"study {name}", unit=" trials", disable=None)
        self._known: set[int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Show the study's current state."""
        finished, _ = count_trials(list(trials))
        done = {trial.number for trial in trials if trial.state.is_finished()}
        if self._bar.disable:
            # What an earlier run has done is not news.
            new = done - (done if self._known is None else self._known)
            for trial in trials:
                if trial.number in new:
                    _log.info("%s", describe_trial(trial))
        if self._known is None:
            # The rate counts what this process has seen.
            self._bar.initial = finished
        self._known = done
        states = Counter(trial.state for trial in trials)
        values = [accuracy(t) for t in trials if t.state == TrialState.COMPLETE]
        self._bar.set_postfix(
            {
                "pruned": states[TrialState.PRUNED],
                "failed": states[TrialState.FAIL],
                "highest": formatting.share(max(values)) if values else formatting.MISSING,
            },
            refresh=False,
        )
        self._bar.n = finished
        self._bar.refresh()


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
