"""A study opened: to read it, or to run trials of it."""

import logging
import math
import time

from optuna import Study
from optuna.trial import FrozenTrial

from pmd_pipeline.shell import kedro
from pmd_pipeline.studies.definition import create_or_load, load
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.studies.loop import Limits
from pmd_pipeline.studies.retries import take_back
from pmd_pipeline.studies.samplers import build_pruner, build_sampler
from pmd_pipeline.studies.search_space import current_values, grid, is_conditional
from pmd_pipeline.studies.storage import open_storage, storage_path
from pmd_pipeline.studies.summary import CURRENT
from pmd_pipeline.studies.tracking import StudyRuns
from pmd_pipeline.study_commands.project import StudyProject
from pmd_pipeline.study_commands.tracking_store import open_runs

_logger = logging.getLogger(__name__)


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


def open_to_run(project: StudyProject, *, joins: bool) -> tuple[Study, StudyRuns]:
    """Open a study with its sampler and pruner, and its runs in MLflow.

    Call it while holding :func:`pmd_pipeline.study_commands.base.study_lock`.

    Args:
        project: The study.
        joins: True if it must exist; otherwise it is created where it does not.

    Raises:
        StudyError: If there is none, or it was begun with other parameters.
    """
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


def limits_of(
    project: StudyProject, *, num_trials: int | None, timeout_minutes: float | None
) -> Limits:
    """Return when a study ends.

    Args:
        project: The study.
        num_trials: Finished trials after which it stops; None: as configured.
        timeout_minutes: No trial starts after this time from now; None: no limit.
    """
    return Limits(
        num_trials=_possible_trials(project, num_trials or project.config.num_trials),
        deadline=None if timeout_minutes is None else time.monotonic() + 60 * timeout_minutes,
        poll_seconds=min(2.0, project.config.storage.heartbeat_seconds / 2),
    )


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
        f"study {project.name!r} has not been started; run: "
        + kedro(f"study run {project.name}", project.env)
    )
