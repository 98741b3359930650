"""The loop over trials: failures, interruptions, dead workers, and that it finds the optimum."""

import math
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import FrozenTrial, Trial, TrialState
from study_helpers import Silent, make_experiment, make_study, memory_study

from pmd_pipeline.studies import loop
from pmd_pipeline.studies.errors import RepeatedFailureError
from pmd_pipeline.studies.loop import Limits, run_trials
from pmd_pipeline.studies.retries import count_trials, queue_again, take_back
from pmd_pipeline.studies.samplers import build_sampler
from pmd_pipeline.studies.search_space import current_values, suggest


def _states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials()]


def test_twelve_trials_beat_the_default_on_a_known_objective() -> None:
    """The maximum lies at tau 0.1 and group size 16, the experiment's own values elsewhere."""
    config = make_study()
    parameters, experiment = make_experiment()

    def accuracy(tau: float, group_size: int) -> float:
        return 0.9 - 0.3 * abs(math.log10(tau / 0.1)) - 0.1 * abs(math.log2(group_size / 16))

    def objective(trial: Trial) -> float:
        values = suggest(trial, config, experiment)
        return accuracy(float(values["algorithm.tau"]), int(values["training.group_size"]))

    study = memory_study(sampler=build_sampler(config.sampler, grid=None, is_conditional=False))
    own = current_values(config, experiment, parameters)
    assert own is not None
    study.enqueue_trial(own)
    run_trials(study, objective, Limits(num_trials=12), Silent())
    assert len(study.get_trials()) == 12
    assert study.trials[0].value == pytest.approx(accuracy(0.5, 8))
    assert study.best_value > study.trials[0].value + 0.1


def test_a_failed_trial_is_recorded_and_the_study_goes_on() -> None:
    def objective(trial: Trial) -> float:
        if trial.number == 1:
            raise FloatingPointError("the loss is nan in round 3")
        return trial.suggest_float("x", 0, 1)

    study = memory_study()
    run_trials(study, objective, Limits(num_trials=4), Silent())
    assert _states(study) == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[1].user_attrs["error"] == "FloatingPointError: the loss is nan in round 3"


def test_workers_that_take_turns_do_no_trial_too_many() -> None:
    """Between a worker's count of trials and its next one no other may count."""
    study, lock, here = memory_study(), threading.Lock(), threading.Barrier(2, timeout=20)

    class Waits(Silent):
        def update(self, trials: Sequence[FrozenTrial]) -> None:
            with suppress(threading.BrokenBarrierError):
                here.wait(0.2)  # without turns both have counted before either begins

    def work() -> None:
        run_trials(
            study,
            lambda trial: trial.suggest_float("x", 0, 1),
            Limits(num_trials=1, poll_seconds=0.01),
            Waits(),
            turn=lambda: lock,  # type: ignore[arg-type, return-value]
        )

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert _states(study) == ["COMPLETE"]
    assert not lock.locked()


def test_three_equal_failures_in_a_row_stop_the_study_with_that_error() -> None:
    def objective(trial: Trial) -> float:
        raise ValueError(f"loss nan, round {trial.number}, gradient 1e{trial.number}")

    study = memory_study()
    with pytest.raises(RepeatedFailureError, match=r"trials 0, 1, 2 .*\n.*loss nan, round 2"):
        run_trials(study, objective, Limits(num_trials=9), Silent())
    assert _states(study) == ["FAIL"] * 3


def test_different_failures_do_not_stop_the_study() -> None:
    def objective(trial: Trial) -> float:
        raise ValueError("abc"[trial.number % 3])

    study = memory_study()
    run_trials(study, objective, Limits(num_trials=5), Silent())
    assert _states(study) == ["FAIL"] * 5


def test_an_interrupted_trial_fails_and_is_done_when_the_study_goes_on() -> None:
    interrupts = iter([True, False, False])

    def objective(trial: Trial) -> float:
        value = trial.suggest_float("x", 0, 1)
        if next(interrupts):
            raise KeyboardInterrupt
        return value

    study = memory_study()
    with pytest.raises(KeyboardInterrupt):
        run_trials(study, objective, Limits(num_trials=2), Silent())
    assert _states(study) == ["FAIL", "WAITING"]
    run_trials(study, objective, Limits(num_trials=2), Silent())
    # The second attempt has the same parameters, and the two count once.
    assert _states(study) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[1].params == study.trials[0].params


def test_a_pruned_trial_counts_as_finished() -> None:
    def objective(trial: Trial) -> float:
        raise optuna.TrialPruned

    study = memory_study()
    run_trials(study, objective, Limits(num_trials=2), Silent())
    assert _states(study) == ["PRUNED", "PRUNED"]


def test_no_trial_begins_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 9.0, 11.0])
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    study = memory_study()
    run_trials(study, lambda _: 0.0, Limits(num_trials=100, deadline=10.0), Silent())
    assert len(study.get_trials()) == 2


def test_a_dead_workers_trial_is_tried_once_more_and_no_more() -> None:
    study = memory_study()
    study.ask().suggest_float("x", 0, 1)
    study.tell(0, state=TrialState.FAIL)
    take_back(study, study.trials[0])
    assert _states(study) == ["FAIL", "WAITING"]
    assert study.trials[1].params == study.trials[0].params
    study.ask()
    study.tell(1, state=TrialState.FAIL)
    take_back(study, study.trials[1])
    assert _states(study) == ["FAIL", "FAIL"]


def test_a_trial_tried_again_counts_once() -> None:
    study = memory_study()
    study.ask()
    study.tell(0, state=TrialState.FAIL)
    queue_again(study, study.trials[0])
    study.ask()
    study.tell(1, 0.5)
    study.ask()
    assert count_trials(study.get_trials()) == (1, 1)


@pytest.mark.parametrize("ends", ["with a value", "with a report", "with an error"])
def test_a_worker_that_was_asleep_drops_its_trial_and_goes_on(ends: str) -> None:
    """As another worker has taken the trial for dead, failed it and queued it again."""
    asleep = [True]

    def objective(trial: Trial) -> float:
        value = trial.suggest_float("x", 0, 1)
        if asleep.pop() if asleep else False:
            study.tell(trial.number, state=TrialState.FAIL)
            take_back(study, study.trials[trial.number])
            if ends == "with a report":
                trial.report(value, 1)
            if ends == "with an error":
                raise FileNotFoundError("its weights are gone")
        return value

    study = memory_study()
    run_trials(study, objective, Limits(num_trials=2), Silent())
    assert _states(study) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials[1].params == study.trials[0].params


def test_an_interruption_of_a_trial_that_another_has_taken_over_still_ends_the_worker() -> None:
    def objective(trial: Trial) -> float:
        study.tell(trial.number, state=TrialState.FAIL)
        raise KeyboardInterrupt

    study = memory_study()
    with pytest.raises(KeyboardInterrupt):
        run_trials(study, objective, Limits(num_trials=2), Silent())


def test_a_failure_before_any_trial_ends_the_worker() -> None:
    class Broken(optuna.samplers.RandomSampler):
        def before_trial(self, *_: object) -> None:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        run_trials(memory_study(sampler=Broken()), lambda _: 0.0, Limits(num_trials=1), Silent())
