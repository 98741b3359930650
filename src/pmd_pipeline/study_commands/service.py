"""Running a study: everything is checked first, then trials run one after another."""

import logging
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from optuna import Study
from optuna.trial import FrozenTrial

from pmd_pipeline.cluster import session
from pmd_pipeline.progress import hidden_bars
from pmd_pipeline.rewards.choice import close_rewards
from pmd_pipeline.studies.definition import create_or_load, load
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.studies.findings import best_trial, pareto_trials
from pmd_pipeline.studies.loop import Limits, run_trials
from pmd_pipeline.studies.retries import take_back
from pmd_pipeline.studies.samplers import build_pruner, build_sampler
from pmd_pipeline.studies.search_space import (
    check_search_space,
    current_values,
    grid,
    is_conditional,
)
from pmd_pipeline.studies.storage import open_storage, storage_path
from pmd_pipeline.studies.summary import CURRENT
from pmd_pipeline.studies.tracking import StudyRuns
from pmd_pipeline.study_commands.base import make_base, study_lock
from pmd_pipeline.study_commands.console import StudyProgress
from pmd_pipeline.study_commands.project import StudyProject
from pmd_pipeline.study_commands.tracking_store import open_runs
from pmd_pipeline.study_commands.trial import TrialRunner
from pmd_pipeline.tracking.configuration import command

_logger = logging.getLogger(__name__)

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
    started = time.monotonic()
    check_search_space(project.config, project.experiment, project.parameters)
    with quiet_logs(), study_lock(project):
        study, runs = _open(project, joins=joins)
        make_base(project)
    deadline = None if timeout_minutes is None else started + 60 * timeout_minutes
    limits = Limits(
        num_trials=_possible_trials(project, num_trials or project.config.num_trials),
        deadline=deadline,
        poll_seconds=min(2.0, project.config.storage.heartbeat_seconds / 2),
    )
    try:
        with (
            quiet_logs(),
            hidden_bars(),
            StudyProgress(project.name, limits.num_trials) as progress,
        ):
            tidy = _Tidy(project, study, progress)
            run_trials(study, TrialRunner(project=project, runs=runs), limits, tidy)
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
    return study


def open_study(project: StudyProject) -> Study:
    """Open an existing study, to read it.

    Raises:
        StudyError: If there is none.
    """
    config = project.config.storage
    is_file = config.kind != "postgresql"
    if is_file and not storage_path(config, project.folder).is_file():
        raise _no_such_study(project)
    storage = open_storage(config, project.folder, url=project.url, on_stale=take_back)
    try:
        return load(project.name, storage)
    except KeyError:
        raise _no_such_study(project) from None


def end_runs(project: StudyProject, runs: StudyRuns, status: str) -> None:
    """End the study's run, and say so if something could not be sent."""
    told = runs.end(status, command("mlflow-sync", project.env))
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


def _open(project: StudyProject, *, joins: bool) -> tuple[Study, StudyRuns]:
    holder: dict[str, StudyRuns] = {}

    def on_stale(study: Study, trial: FrozenTrial) -> None:
        take_back(study, trial)
        holder["runs"].end_dead(trial)

    config = project.config
    storage = open_storage(config.storage, project.folder, url=project.url, on_stale=on_stale)
    if joins:
        try:
            study = load(project.name, storage, project.definition)
        except KeyError:
            raise _no_such_study(project) from None
    else:
        study = create_or_load(project.name, storage, config, project.definition)
        _queue_current(project, study)
    conditional = is_conditional(config, project.experiment)
    study.sampler = build_sampler(
        config.sampler,
        grid=grid(config) if config.sampler.kind == "grid" else None,
        is_conditional=conditional,
    )
    study.pruner = build_pruner(config.pruner, num_steps=project.num_phases * config.repeats)
    holder["runs"] = open_runs(project, study)
    return study, holder["runs"]


def _queue_current(project: StudyProject, study: Study) -> None:
    """Queue the experiment's own values as the first trial, to compare the others with."""
    config = project.config
    if study.get_trials(deepcopy=False) or config.sampler.kind == "grid":
        return
    values = current_values(config, project.experiment, project.parameters)
    if config.tries_current_first and values is not None:
        study.enqueue_trial(values, user_attrs={CURRENT: True})


def _possible_trials(project: StudyProject, wanted: int) -> int:
    """Return how many trials to make; a grid's points are not repeated."""
    if project.config.sampler.kind != "grid":
        return wanted
    num_points = math.prod(len(points) for points in grid(project.config).values())
    if num_points < wanted:
        _logger.warning(
            "The grid of study %s has %d points: it stops after %d trials, not %d.",
            project.name,
            num_points,
            num_points,
            wanted,
        )
    return min(num_points, wanted)


def _no_such_study(project: StudyProject) -> StudyError:
    return StudyError(
        f"study {project.name!r} has not been started; run: kedro study run {project.name}"
        + (f" --env {project.env}" if project.env else "")
    )


class _Tidy:
    """Removes weights that need not be kept, then passes the trials on."""

    def __init__(self, project: StudyProject, study: Study, progress: StudyProgress) -> None:
        self._project = project
        self._study = study
        self._progress = progress

    def update(self, trials: Sequence[FrozenTrial]) -> None:
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
