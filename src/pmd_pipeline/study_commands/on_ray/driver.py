"""Runs a study by workers on a Ray cluster; it computes no trial itself."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from optuna import Study

from pmd_pipeline.cluster import session
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.studies.search_space import check_search_space
from pmd_pipeline.studies.storage import storage_path
from pmd_pipeline.study_commands.base import study_lock
from pmd_pipeline.study_commands.console import StudyProgress
from pmd_pipeline.study_commands.on_ray.fleet import Fleet
from pmd_pipeline.study_commands.opening import limits_of, open_to_run
from pmd_pipeline.study_commands.project import StudyProject
from pmd_pipeline.study_commands.service import Tidy, ending, quiet_logs


def run_study_on_ray(
    project: StudyProject,
    *,
    num_workers: int,
    num_trials: int | None,
    timeout_minutes: float | None,
) -> Study:
    """Create or continue a study and have workers on a Ray cluster run trials until it has enough.

    Args:
        project: The study.
        num_workers: How many workers.
        num_trials: Finished trials after which it stops; None: as configured.
        timeout_minutes: No trial starts after this time.

    Raises:
        StudyError: If anything is wrong; if a worker fails; if all are lost.
        ClusterError: If there is no cluster, or no room on it.
        KeyboardInterrupt: If interrupted; the study is consistent and can be continued.
    """
    check_search_space(project.config, project.experiment, project.parameters)
    _refuse_sqlite(project)
    limits = limits_of(project, num_trials=num_trials, timeout_minutes=timeout_minutes)
    session.name_cluster(project.experiment.cluster, project.folder / "ray.log")
    try:
        member = session.join()
        # It imports ray, which has to find the cluster's settings.
        from pmd_pipeline.study_commands.on_ray.placing import RayWorkers

        workers = RayWorkers(project, member, num_workers=num_workers, limits=limits)
        with quiet_logs(), study_lock(project):
            study, runs = open_to_run(project, joins=False)
    except BaseException:
        session.leave()
        raise
    restarts = project.config.workers.max_restarts
    with (
        ending(project, runs),
        quiet_logs(),
        StudyProgress(project.name, limits.num_trials) as progress,
        _marks(project) as marks,
    ):
        tidy = Tidy(project, study, progress)
        fleet = Fleet(
            lambda number: workers.start(number, marks),
            num_workers=num_workers,
            max_restarts=restarts,
        )
        with fleet.running():
            while fleet.look():
                tidy.update(study.get_trials(deepcopy=False))
                time.sleep(limits.poll_seconds)
        tidy.update(study.get_trials(deepcopy=False))
    return study


def _refuse_sqlite(project: StudyProject) -> None:
    if project.config.storage.kind == "sqlite":
        raise StudyError(
            "storage.kind is sqlite, a file for the processes of one machine; workers on a "
            "cluster may be on several: set storage.kind to journal, a file on a file system that "
            "all nodes share, or to postgresql"
        )


@contextmanager
def _marks(project: StudyProject) -> Iterator[tuple[str, ...]]:
    """Write files by which another node can tell that it sees the same folders."""
    folders = {project.folder.resolve()}
    if project.config.storage.kind == "journal":
        folders.add(storage_path(project.config.storage, project.folder).parent)
    marks = [folder / f".driver_{uuid.uuid4().hex}" for folder in sorted(folders)]
    try:
        for mark in marks:
            mark.touch()
        yield tuple(map(str, marks))
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)
