"""The MLflow store that the project's ``mlflow.yml`` names."""

import logging
import warnings
from types import SimpleNamespace
from typing import Any

from kedro.config import MissingConfigException, OmegaConfigLoader
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from pmd_pipeline.config_loader import project_loader
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.study_commands.project import StudyProject
from pmd_pipeline.tracking.place import placed_in_project

with warnings.catch_warnings(record=True):
    # MLflow warns about a class of kedro-mlflow, whatever the filters say; not about our code.
    from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig


def tracking_store(project: StudyProject) -> tuple[MlflowClient, str]:
    """Return a client of the store and the id of the project's experiment there.

    Raises:
        StudyError: If the store cannot be used.
    """
    loader = project_loader(project.path, project.env)
    try:
        values = loader["mlflow"]
    except MissingConfigException:
        values = {}
    config = KedroMlflowConfig.model_validate(placed_in_project(values, project.path))
    logging.getLogger("kedro_mlflow").setLevel(logging.WARNING)
    try:
        # It reads nothing else of the context.
        config.setup(
            SimpleNamespace(
                project_path=project.path,
                config_loader=loader,
                _get_config_credentials=lambda: _credentials(loader),
            )
        )
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise StudyError(
            f"the MLflow store of conf/*/mlflow.yml cannot be used ({type(error).__name__}: "
            f"{str(error).splitlines()[0]}); start its server, or configure another store"
        ) from error
    return config.server._mlflow_client, config.tracking.experiment._experiment.experiment_id


def _credentials(loader: OmegaConfigLoader) -> dict[str, Any]:
    try:
        return dict(loader["credentials"])
    except MissingConfigException:
        return {}
