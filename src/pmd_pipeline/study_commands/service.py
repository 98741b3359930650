"""Running a study: everything is checked first, then trials run one after another."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from optuna import Study
from optuna.trial import FrozenTrial

from pmd_pipeline.cluster import session
from pmd_pipeline.progress import hidden_bars
from pmd_pipeline.rewards.choice import close_rewards
from pmd_pipeline.shell import kedro
from pmd_pipeline.studies.findings import best_trial, pareto_trials
from pmd_pipeline.studies.loop import run_trials
from pmd_pipeline.studies.search_space import check_search_space
from pmd_pipeline.studies.tracking import StudyRuns
from pmd_pipeline.study_commands.base import make_base, study_lock
from pmd_pipeline.study_commands.console import StudyProgress
from pmd_pipeline.study_commands.opening import limits_of, open_to_run
from pmd_pipeline.study_commands.project import StudyProject
from pmd_pipeline.study_commands.trial import TrialRunner

_logger = logging.getLogger(__name__)

# A failed trial's error is recorded with the trial.
_LOUD = ("kedro", "kedro.runner", "kedro.pipeline", "kedro_mlflow", "mlflow", "optuna", "alembic")


def run_study(
    project: StudyProject, *, num_trials: int | None, timeout_minutes: float | None, joins: bool
) -> Study:
    """Create or continue a study and run trials until it has enough.

    Args:
        project: The study.
        num_trials: Finished trials after which it stops; None: as configured.
        timeout_minutes: No trial starts after this time.
        joins: True for a worker: the study must exist, and another process writes its report.

    Raises:
        StudyError: If anything is wrong, before anything runs; or if trials keep failing.
        KeyboardInterrupt: If interrupted; the study is consistent and can be continued.
    """
    check_search_space(project.config, project.experiment, project.parameters)
    limits = limits_of(project, num_trials=num_trials, timeout_minutes=timeout_minutes)
    with quiet_logs(), study_lock(project):
        study, runs = open_to_run(project, joins=joins)
        make_base(project)
    with (
        ending(project, runs),
        quiet_logs(),
        hidden_bars(),
        StudyProgress(project.name, limits.num_trials) as progress,
    ):
        tidy = Tidy(project, study, progress)
        run_trials(
            study,
            TrialRunner(project=project, runs=runs),
            limits,
            tidy,
            turn=lambda: study_lock(project),
        )
    return study


@contextmanager
def ending(project: StudyProject, runs: StudyRuns) -> Iterator[None]:
    """End what the block has used: the study's run in MLflow, grading processes, a Ray cluster."""
    try:
        yield
        end_runs(project, runs, "FINISHED")
    except KeyboardInterrupt:
        end_runs(project, runs, "KILLED")
        raise
    except Exception:
        end_runs(project, runs, "FAILED")
        raise
    finally:
        close_rewards()
        session.leave()


def end_runs(project: StudyProject, runs: StudyRuns, status: str) -> None:
    """End the study's run, and say so if something could not be sent."""
    told = runs.end(status, kedro("mlflow-sync", project.env))
    if told is not None:
        _logger.warning("%s", told)


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Keep the trials' own log lines off the console: a study is many runs."""
    loggers = [logging.getLogger(name) for name in _LOUD]
    former = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, former, strict=True):
            logger.setLevel(level)


class Tidy:
    """Removes weights that need not be kept, then passes the trials on."""

    def __init__(self, project: StudyProject, study: Study, progress: StudyProgress) -> None:
        self._project = project
        self._study = study
        self._progress = progress

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """See :class:`pmd_pipeline.studies.loop.Observer`."""
        self._progress.update(trials)
        keep = self._project.config.keep_policies
        if keep == "all":
            return
        best = best_trial(self._study) if keep == "best" else None
        kept = ({best.number} if best else set()) | pareto_trials(self._study)
        for trial in trials:
            if trial.state.is_finished() and trial.number not in kept:
                for repeat in range(self._project.config.repeats):
                    weights = self._project.trial_folder(trial.number, repeat) / "06_models"
                    shutil.rmtree(weights, ignore_errors=True)
