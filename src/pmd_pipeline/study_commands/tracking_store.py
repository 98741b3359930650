"""A study's runs in the MLflow store that the project's ``mlflow.yml`` names."""

from optuna import Study

from pmd_pipeline.config_loader import project_loader
from pmd_pipeline.studies.retries import MLFLOW_RUN
from pmd_pipeline.studies.tracking import StudyRuns
from pmd_pipeline.study_commands.project import StudyProject
from pmd_pipeline.tracking.configuration import read_config, where_runs_are
from pmd_pipeline.tracking.runs import TrackedRuns
from pmd_pipeline.tracking.store import connect, connect_or_continue, context_of


def open_runs(project: StudyProject, study: Study) -> StudyRuns:
    """Return the runs of a study.

    Raises:
        TrackingError: If the store cannot be used and the study has no run there yet.
    """
    loader = project_loader(project.path, project.env)
    config = read_config(loader, project.path)
    context = context_of(project.path, loader)
    former = study.user_attrs.get(MLFLOW_RUN)
    known = [] if former is None else [former]
    store = connect_or_continue(config, context, known, env=project.env)
    runs = TrackedRuns(
        # Of all studies and runs: one command sends what waits there.
        project.folder.parents[1],
        config.tracking.experiment.name,
        store,
        lambda: connect(config, context),
    )
    return StudyRuns(runs, study, where_runs_are(config, project.env))
