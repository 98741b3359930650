"""Trials that a dead or interrupted worker left behind: reclaimed and tried once more."""

from optuna import Study, Trial, create_trial
from optuna.trial import FrozenTrial, TrialState

# User attributes of a trial.
ERROR = "error"
ERROR_KIND = "error_kind"
MLFLOW_RUN = "mlflow_run"

INTERRUPTED = "interrupted"
DEAD_WORKER = "its worker died"

_HISTORY = "retry_history"  # Optuna's own name, so that its dashboard shows it
_MAX_RETRIES = 1


def take_back(study: Study, trial: FrozenTrial) -> None:
    """Queue a trial whose worker has died again, unless it was a second try already."""
    if len(_history(trial)) < _MAX_RETRIES:
        queue_again(study, trial)


def is_reclaimed(trial: Trial) -> bool:
    """Return True if the storage has a running trial as ended: another worker took it for dead."""
    return trial.study.get_trials(deepcopy=False)[trial.number].state.is_finished()


def queue_again(study: Study, trial: FrozenTrial) -> None:
    """Queue a failed trial's parameters as a new trial."""
    study.add_trial(
        create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            system_attrs={
                **{k: v for k, v in trial.system_attrs.items() if k != _HISTORY},
                _HISTORY: [*_history(trial), trial.number],
            },
        )
    )


def count_trials(trials: list[FrozenTrial]) -> tuple[int, int]:
    """Return how many trials have finished and how many run; a repeated trial counts once."""
    replaced = {number for trial in trials for number in _history(trial)}
    finished = sum(t.state.is_finished() and t.number not in replaced for t in trials)
    running = sum(t.state == TrialState.RUNNING for t in trials)
    return finished, running


def _history(trial: FrozenTrial) -> list[int]:
    return list(trial.system_attrs.get(_HISTORY, []))
