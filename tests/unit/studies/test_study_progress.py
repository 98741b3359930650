"""What is seen of a study while it runs: bars on a terminal, elsewhere a line per trial."""

import logging
import re

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from terminals import on_terminal

from pmd_pipeline.studies.retries import ERROR
from pmd_pipeline.study_commands.console import StudyProgress


def trials(*values: float | None) -> list[FrozenTrial]:
    """Return finished trials with these values; a failed one for None."""
    made = []
    for number, value in enumerate(values):
        trial = create_trial(
            value=value,
            params={"tau": 0.5},
            distributions={"tau": FloatDistribution(0.1, 1.0)},
            state=TrialState.FAIL if value is None else TrialState.COMPLETE,
            user_attrs={ERROR: "no memory"} if value is None else {},
        )
        trial.number = number
        made.append(trial)
    return made


def test_on_a_terminal_bars_tell_trials_time_and_the_highest_score() -> None:
    times = iter([0.0, 10.0])  # when it begins, and the first state that it is told
    with (
        on_terminal() as terminal,
        StudyProgress("tau", 8, clock=lambda: next(times, 40.0)) as progress,
    ):
        progress.update(trials(0.5, 0.25))
        progress.update(trials(0.5, 0.25, 0.75))
    lines = [line.rstrip() for line in terminal.lines]
    assert max(map(len, lines)) <= 79
    # One trial in 30 seconds, and five to go.
    assert any(re.fullmatch(r"study tau +\S+ +3 of 8 trials +2 min left", line) for line in lines)
    assert any(re.match(r"highest 0\.750 ", line) for line in lines)


def test_elsewhere_each_trial_that_ends_is_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pmd_pipeline"), StudyProgress("tau", 8) as progress:
        progress.update(trials(0.5))
        progress.update(trials(0.5, 0.25, None))
    assert caplog.messages == [
        "trial 1 finished 0.250: tau 0.5",
        "trial 2 failed (no memory): tau 0.5",
    ]
