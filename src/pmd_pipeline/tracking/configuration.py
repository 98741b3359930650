"""Which MLflow store is meant: ``mlflow.yml`` and the variables of the environment."""

import logging
import os
import warnings
from pathlib import Path

import mlflow
from kedro.config import AbstractConfigLoader, MissingConfigException
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from sqlalchemy.engine import make_url

from pmd_pipeline.shell import command as command_path
from pmd_pipeline.shell import is_project, kedro
from pmd_pipeline.tracking.place import placed_in_project

with warnings.catch_warnings(record=True):
    # MLflow warns about a class of kedro-mlflow, whatever the filters say; not about our code.
    from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig as MlflowConfig

# The package sets its own level to INFO when it is imported.
logging.getLogger("kedro_mlflow").setLevel(logging.WARNING)

__all__ = [
    "ADDRESS_VARIABLE",
    "DATABASES",
    "DEFAULT_ADDRESS",
    "MlflowConfig",
    "artifact_root",
    "database_path",
    "read_config",
    "runs_place",
    "shown_address",
    "use",
    "where_runs_are",
]

ADDRESS_VARIABLE = "MLFLOW_TRACKING_URI"
DEFAULT_ADDRESS = "sqlite:///mlflow.db"
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

_INDENT = "  "  # less than other hints have: the address is long

_EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"

_logger = logging.getLogger(__name__)


def read_config(loader: AbstractConfigLoader, project_path: Path) -> MlflowConfig:
    """Return ``mlflow.yml`` with a full address; nothing is contacted.

    ``MLFLOW_TRACKING_URI`` and ``MLFLOW_EXPERIMENT_NAME`` come before the file.
    """
    try:
        values = dict(loader["mlflow"])
    except MissingConfigException:
        values = {}
    server = dict(values.get("server") or {})
    server["mlflow_tracking_uri"] = _chosen(
        ADDRESS_VARIABLE, server.get("mlflow_tracking_uri") or DEFAULT_ADDRESS
    )
    config = MlflowConfig.model_validate(
        placed_in_project({**values, "server": server}, project_path)
    )
    experiment = config.tracking.experiment
    named = experiment.name if "name" in experiment.model_fields_set else "pmd_pipeline"
    experiment.name = _chosen(_EXPERIMENT_VARIABLE, named)
    return config


def artifact_root(config: MlflowConfig, project_path: Path) -> Path | None:
    """Return the folder below which all artifacts lie; None if a server decides."""
    chosen = config.tracking.experiment.create_experiment_kwargs.artifact_location
    is_server = not config.server.mlflow_tracking_uri.startswith(DATABASES)
    if is_server or not chosen or not is_local_uri(chosen):
        return None
    return project_path / Path(local_file_uri_to_path(chosen))


def database_path(config: MlflowConfig) -> Path | None:
    """Return the file of a store in SQLite; None for another store."""
    address = config.server.mlflow_tracking_uri
    if not address.startswith("sqlite:"):
        return None
    name = make_url(address).database
    return Path(name) if name else None


def shown_address(config: MlflowConfig) -> str:
    """Return the store's address without a password."""
    address = config.server.mlflow_tracking_uri
    scheme, separator, rest = address.partition("://")
    account, at, host = rest.rpartition("@")
    return f"{scheme}{separator}***@{host}" if at and "/" not in account else address


def runs_place(config: MlflowConfig) -> str:
    """Return the address of the table of runs, on the server or as ``kedro mlflow ui`` serves it.

    MLflow 3 shows another page without the address's last part. A store that has not answered has
    not said which of its experiments this is: then the address is that of all.
    """
    address = shown_address(config)
    if not address.startswith(("http:", "https:")):
        address = f"http://{config.ui.host}:{config.ui.port}"
    experiment = getattr(config.tracking.experiment, "_experiment", None)
    page = "" if experiment is None else f"/{experiment.experiment_id}/runs"
    return f"{address.rstrip('/')}/#/experiments{page}?workflowType=machine_learning"


def where_runs_are(config: MlflowConfig, env: str | None) -> str:
    """Return the lines of a hint: what shows the runs, and where."""
    is_server = config.server.mlflow_tracking_uri.startswith(("http:", "https:"))
    # Without a project, kedro has none of its plugins' commands.
    serve = (
        kedro("mlflow ui", env)
        if is_project()
        else f"{command_path('mlflow')} ui --backend-store-uri {shown_address(config)}"
    )
    first = "" if is_server else f"{serve}, then\n{_INDENT}"
    return f"MLflow runs   {first}{runs_place(config)}"


def use(config: MlflowConfig) -> None:
    """Let MLflow's own functions use the store; nothing is contacted."""
    former = os.environ.get(ADDRESS_VARIABLE)
    mlflow.set_tracking_uri(config.server.mlflow_tracking_uri)
    # MLflow puts it into the environment too, where the next session, or a process that this one
    # starts, would take it for the user's wish.
    os.environ.pop(ADDRESS_VARIABLE, None)
    if former is not None:
        os.environ[ADDRESS_VARIABLE] = former
    if config.server.mlflow_registry_uri is not None:
        mlflow.set_registry_uri(config.server.mlflow_registry_uri)
    if config.tracking.disable_tracking.disable_autologging:
        mlflow.autolog(disable=True)


def _chosen(variable: str, configured: str) -> str:
    found = os.environ.get(variable)
    if not found or found == configured:
        return configured
    _logger.info("%s decides: mlflow.yml has %s, which is not used", variable, configured)
    return found
