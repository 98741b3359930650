"""The loop over trials, the same for ``kedro study run`` and every worker."""

import logging
import re
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Protocol

import optuna
from optuna import Study, Trial
from optuna.trial import FrozenTrial, TrialState

from pmd_pipeline.studies.errors import RepeatedFailureError
from pmd_pipeline.studies.retries import (
    ERROR,
    ERROR_KIND,
    INTERRUPTED,
    count_trials,
    is_reclaimed,
    queue_again,
)

_logger = logging.getLogger(__name__)

# This many equal failures in a row are not an accident.
_MOST_EQUAL_FAILURES = 3
_LOCATION = re.compile(r"\d[\d.,e+-]*")


class Observer(Protocol):
    """Receives the loop's progress."""

    def update(self, trials: Sequence[FrozenTrial]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When the loop ends.

    Attributes:
        num_trials: Finished trials after which it stops, those of other workers included.
        deadline: By ``time.monotonic``; no trial starts after it. None: no limit.
        poll_seconds: Between two checks of what other workers still run.
    """

    num_trials: int
    deadline: float | None = None
    poll_seconds: float = 2.0


def run_trials(
    study: Study,
    run_trial: Callable[[Trial], float | Sequence[float]],
    limits: Limits,
    observer: Observer,
    *,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """Run trials until the study has enough of them; a failed one is recorded and skipped.

    The last worker waits for what others still run, and reclaims a dead worker's trial. A worker
    that was only asleep finds its trial reclaimed: it drops it and goes on with the next.

    Args:
        study: With its sampler and pruner.
        run_trial: Returns a trial's value or values.
        limits: When to end.
        observer: Notified after every trial.
        turn: Returns a lock that other workers hold too while they count trials and begin the next:
            without it two of them could both begin the last one.

    Raises:
        RepeatedFailureError: If three trials in a row failed with the same error.
        KeyboardInterrupt: If the user interrupts it; the running trial has ended and is queued.
    """

    begun: Trial | None = None
    is_interrupted = False
    my_turn = ExitStack()

    def recorded(trial: Trial) -> float | Sequence[float]:
        nonlocal begun, is_interrupted
        begun = trial
        my_turn.close()  # others see it run
        try:
            return run_trial(trial)
        except optuna.TrialPruned:
            raise
        except KeyboardInterrupt:
            is_interrupted = True
            trial.set_user_attr(ERROR, INTERRUPTED)
            raise
        except Exception as error:
            trial.set_user_attr(ERROR, f"{type(error).__name__}: {error}")
            trial.set_user_attr(ERROR_KIND, _kind(error))
            raise

    def run_next() -> None:
        try:
            study.optimize(recorded, n_trials=1, catch=(Exception,))
        except KeyboardInterrupt:
            _queue_interrupted(study)
            raise
        except Exception as error:
            # Optuna lets nobody write to a trial that has ended, not even that it has.
            if begun is None or not is_reclaimed(begun):
                raise
            if is_interrupted:
                raise KeyboardInterrupt from error
            _logger.warning(
                "Trial %d was dropped: this worker was away for longer than the study's "
                "grace_seconds, and another has taken the trial over.",
                begun.number,
            )
        else:
            _stop_at_repeated_failure(study)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    while limits.deadline is None or time.monotonic() < limits.deadline:
        with my_turn:
            my_turn.enter_context(turn())
            _take_back_dead(study)
            trials = study.get_trials(deepcopy=False)
            observer.update(trials)
            finished, running = count_trials(trials)
            if finished >= limits.num_trials:
                return
            has_room = finished + running < limits.num_trials
            if has_room:
                run_next()
        if not has_room:
            time.sleep(limits.poll_seconds)


def _take_back_dead(study: Study) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)


def _queue_interrupted(study: Study) -> None:
    """Queue the trial that the user interrupted for when the study continues."""
    queued = {
        number
        for trial in study.get_trials(deepcopy=False)
        for number in trial.system_attrs.get("retry_history", [])
    }
    for trial in study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
        if trial.user_attrs.get(ERROR) == INTERRUPTED and trial.number not in queued:
            queue_again(study, trial)


def _stop_at_repeated_failure(study: Study) -> None:
    finished = [t for t in study.get_trials(deepcopy=False) if t.datetime_complete is not None]
    last = sorted(finished, key=lambda t: (t.datetime_complete, t.number))[-_MOST_EQUAL_FAILURES:]
    kinds = {trial.user_attrs.get(ERROR_KIND) for trial in last}
    if len(last) == _MOST_EQUAL_FAILURES and len(kinds) == 1 and None not in kinds:
        numbers = ", ".join(str(trial.number) for trial in last)
        raise RepeatedFailureError(
            f"trials {numbers} all failed with the same error:\n  {last[-1].user_attrs[ERROR]}\n"
            "Correct its cause and run the study again; it continues with the next trial"
        )


def _kind(error: Exception) -> str:
    """Return the error without its numbers: another trial's error has another loss or round."""
    return f"{type(error).__name__}: {_LOCATION.sub('#', str(error))}"
