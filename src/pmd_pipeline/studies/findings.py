"""What a study's trials show: tables, the best trial, its interval, how flat the optimum is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from optuna import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.special import stdtrit

from pmd_pipeline.studies.retries import DEAD_WORKER, ERROR

# User attributes of a trial.
REPEAT_VALUES = "repeat_values"
INTERVAL = "interval"  # of avg@k over the validation problems, one repeat
SECONDS = "training_seconds"
STEP_VALUES = "step_values"  # where there are two objectives, else Optuna has them

TRIAL_COLUMNS = ("trial", "state", "value", "training_seconds", "ci_low", "ci_high")
STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
_SMALL_TOLERANCE = 0.01
_LEAST_TRIALS = 20
"""Finished trials below which shares of the variance are chance: a forest fits any few points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The best trial and the trials close to it.

    Attributes:
        trial: Its number.
        value: avg@k on the validation problems.
        low, high: Interval of the value; NaN if there is none.
        interval_of: What the interval is over: ``"repeats"``, ``"problems"`` or ``""``.
        values: Its parameters by dimension name.
        tolerance: How much worse a trial may be and still count as good.
        num_close: Finished trials within the tolerance, the best one included.
        num_finished: Finished trials.
        num_not_told: Finished trials, but for the best one, that cannot be told from it: their
            intervals reach its own, or there is none.
        close_ranges: Smallest and largest value of each numeric dimension among them.
        close_choices: Values of each other dimension among them.
    """

    trial: int
    value: float
    low: float
    high: float
    interval_of: str
    values: Mapping[str, Any]
    tolerance: float
    num_close: int
    num_finished: int
    num_not_told: int
    close_ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    close_choices: Mapping[str, list[str]] = field(default_factory=dict)


def trials_table(study: Study, *, level: float) -> pd.DataFrame:
    """Return one row per trial: number, state, value, seconds, interval, parameters, error.

    ``value`` is that of a finished trial, and the last evaluation of a pruned one.
    """
    trials = study.get_trials(deepcopy=False)
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    rows = []
    for trial in trials:
        low, high, over = interval(trial, level=level)
        rows.append(
            {
                "trial": trial.number,
                "state": STATES[trial.state],
                "value": _value(trial),
                "training_seconds": trial.user_attrs.get(SECONDS, math.nan),
                "ci_low": low,
                "ci_high": high,
                "ci_over": over,
                **{name: trial.params.get(name) for name in names},
                "started": trial.datetime_start,
                "ended": trial.datetime_complete,
                "error": _error(trial),
            }
        )
    columns = [*TRIAL_COLUMNS, "ci_over", *names, "started", "ended", "error"]
    return pd.DataFrame(rows, columns=columns)


def curves_table(study: Study, num_phases: int) -> pd.DataFrame:
    """Return one row per trial and phase: avg@k after it, mean over the repeats so far."""
    rows = [
        {
            "trial": trial.number,
            "state": STATES[trial.state],
            "repeat": (step - 1) // num_phases,
            "phase": (step - 1) % num_phases + 1,
            "value": value,
        }
        for trial in study.get_trials(deepcopy=False)
        for step, value in sorted(_step_values(trial).items())
    ]
    return pd.DataFrame(rows, columns=["trial", "state", "repeat", "phase", "value"])


def best_trial(study: Study) -> FrozenTrial | None:
    """Return the most accurate finished trial, the first of equals; None if none has finished."""
    finished = _finished(study)
    return max(finished, key=lambda t: (accuracy(t), -t.number)) if finished else None


def accuracy(trial: FrozenTrial) -> float:
    """Return a finished trial's first objective: avg@k on the validation problems."""
    return float(trial.values[0])  # noqa: PD011


def pareto_trials(study: Study) -> set[int]:
    """Return the numbers of the trials that no other beats in both objectives."""
    return {trial.number for trial in study.best_trials} if len(study.directions) > 1 else set()


def interval(trial: FrozenTrial, *, level: float) -> tuple[float, float, str]:
    """Return an interval of a trial's value and what it is over.

    Over repeats, Student's t for their mean; over the problems of a single repeat as evaluated.
    """
    values = trial.user_attrs.get(REPEAT_VALUES, [])
    if trial.state != TrialState.COMPLETE or not values:
        return math.nan, math.nan, ""
    if len(values) == 1:
        bounds = trial.user_attrs.get(INTERVAL)
        return (*bounds, "problems") if bounds else (math.nan, math.nan, "")
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(stdtrit(len(values) - 1, (1 + level) / 2)) * error
    return mean - half, mean + half, "repeats"


def find_optimum(study: Study, *, level: float) -> Optimum | None:
    """Return the best trial and how flat the optimum is; None if no trial has finished.

    A trial is close if its value is within half the best one's interval or, without an interval,
    within 0.01.
    """
    best = best_trial(study)
    if best is None:
        return None
    low, high, over = interval(best, level=level)
    half = (high - low) / 2
    tolerance = half if math.isfinite(half) and half > 0 else _SMALL_TOLERANCE
    finished = _finished(study)
    close = [trial for trial in finished if accuracy(trial) >= accuracy(best) - tolerance]
    ranges: dict[str, tuple[float, float]] = {}
    choices: dict[str, list[str]] = {}
    for name in best.params:
        values = [trial.params[name] for trial in close if name in trial.params]
        if _is_numeric(values):
            ranges[name] = (min(values), max(values))
        else:
            choices[name] = sorted({str(value) for value in values})
    return Optimum(
        trial=best.number,
        value=accuracy(best),
        low=low,
        high=high,
        interval_of=over,
        values=best.params,
        tolerance=tolerance,
        num_close=len(close),
        num_finished=len(finished),
        num_not_told=sum(
            # An end that is NaN tells nothing.
            not interval(trial, level=level)[1] < low
            for trial in finished
            if trial.number != best.number
        ),
        close_ranges=ranges,
        close_choices=choices,
    )


def importances(study: Study, *, seed: int) -> dict[str, float]:
    """Return each dimension's share of the variance of finished trials' accuracy, largest first.

    Empty if it cannot be determined: fewer than 20 finished trials, or all equally good.

    Source: functional ANOVA on a forest of random trees, Hutter et al. 2014.
    """
    import optuna

    finished = _finished(study)
    if len(finished) < _LEAST_TRIALS or len({accuracy(trial) for trial in finished}) < 2:
        return {}
    shared = set.intersection(*(set(trial.params) for trial in finished))
    varied = [name for name in sorted(shared) if len({t.params[name] for t in finished}) > 1]
    if not varied:
        return {}
    try:
        return optuna.importance.get_param_importances(
            study,
            evaluator=optuna.importance.FanovaImportanceEvaluator(seed=seed),
            params=varied,
            target=accuracy,
        )
    except (RuntimeError, ValueError):
        return {}


def _finished(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _step_values(trial: FrozenTrial) -> dict[int, float]:
    own = trial.user_attrs.get(STEP_VALUES, {})
    return trial.intermediate_values or {int(step): value for step, value in own.items()}


def _value(trial: FrozenTrial) -> float:
    if trial.state == TrialState.COMPLETE:
        return accuracy(trial)
    last = trial.last_step
    return math.nan if last is None else float(trial.intermediate_values[last])


def _error(trial: FrozenTrial) -> str:
    if trial.state != TrialState.FAIL:
        return ""
    # Nothing else is left of a worker that was killed.
    return str(trial.user_attrs.get(ERROR, DEAD_WORKER))


def _is_numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
