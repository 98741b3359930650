"""The MLflow store: whether it answers, and what is asked of it."""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from kedro.config import AbstractConfigLoader, MissingConfigException
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import is_local_uri
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError

from pmd_pipeline.shell import kedro
from pmd_pipeline.tracking.artifact_locations import local_path
from pmd_pipeline.tracking.configuration import (
    ADDRESS_VARIABLE,
    DATABASES,
    DEFAULT_ADDRESS,
    MlflowConfig,
    artifact_root,
    database_path,
    shown_address,
)
from pmd_pipeline.tracking.errors import TrackingError, reason_of

PATIENCE_SECONDS = 9.0
"""How long a run waits for the store before it begins, and at its end without any progress."""

RUN_KEY = "pmd_pipeline.key"
"""The tag by which a run is found again that was made without knowing its id."""

_KEY_PREFIX = "key:"

# MLflow 3 opens an experiment with its page of language model apps, which is empty here. What it
# opens with follows from the address or from the choice that a browser remembers. The kind, which
# former versions follow, is kept with the experiment; its description says the rest.
_EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    "mlflow.note.content": "The runs are under *Model training*, at the top left.",
}

_logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingStore:
    """A store that has answered.

    Attributes:
        client: Its client.
        experiment_id: Of the configured experiment.
        artifact_root: The folder below which all artifacts lie; None if a server decides.
    """

    client: MlflowClient
    experiment_id: str
    artifact_root: Path | None = None

    def find_run(self, run: str) -> str | None:
        """Return the id of a run by id or key; None if the store has no such run."""
        if not is_key(run):
            return run if self._is_active(run) else None
        experiments = [found.experiment_id for found in self.client.search_experiments()]
        runs = self.client.search_runs(
            experiments, f"tags.`{RUN_KEY}` = '{key_of(run)}'", max_results=1
        )
        return str(runs[0].info.run_id) if runs else None

    def foreign_folder(self, run_id: str | None = None) -> Path | None:
        """Return where the artifacts of a run, or of new runs, would be written by mistake.

        None if that is where they belong.
        """
        if self.artifact_root is None:
            return None
        if run_id is None:
            address = self.client.get_experiment(self.experiment_id).artifact_location
        else:
            address = self.client.get_run(run_id).info.artifact_uri
        path = local_path(address)
        is_at_home = path is None or path.is_relative_to(self.artifact_root.resolve())
        return None if is_at_home else path

    def _is_active(self, run_id: str) -> bool:
        try:
            return str(self.client.get_run(run_id).info.lifecycle_stage) == "active"
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise


def as_key(text: str) -> str:
    """Return what stands for a run whose id is not known."""
    return _KEY_PREFIX + text


def key_of(run: str) -> str:
    """Return the text that :func:`as_key` was given."""
    return run.removeprefix(_KEY_PREFIX)


def is_key(run: str) -> bool:
    """Return True for what :func:`as_key` returns, False for a run's id."""
    return run.startswith(_KEY_PREFIX)


def connect(config: MlflowConfig, context: Any) -> TrackingStore:
    """Reach the store, and find or make the experiment.

    Args:
        config: See :func:`read_config`.
        context: Kedro's, for credentials.

    Raises:
        TrackingError: If it does not answer within ten seconds.
    """
    # A request that fails is tried again by who sends it, and not for minutes by MLflow.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    # It prints two lines whenever a run ends, from a thread and amid a study's progress.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # It logs the traceback of every error that it raises.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    address = config.server.mlflow_tracking_uri

    try:
        if address.startswith(("http:", "https:")):
            return _within(PATIENCE_SECONDS, lambda: _set_up(config, context))
        _within(PATIENCE_SECONDS, lambda: _open_database(config))
        # The first time, MLflow makes its tables, which may take longer.
        return _set_up(config, context)
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ValueError) as error:
        raise TrackingError(_unreachable(config, error)) from error


def connect_or_continue(
    config: MlflowConfig, context: Any, former_runs: Sequence[str], *, env: str | None
) -> TrackingStore | None:
    """Reach the store before anything begins.

    Args:
        config: See :func:`~pmd_pipeline.tracking.configuration.read_config`.
        context: See :func:`connect`.
        former_runs: What is continued; empty: something new begins.
        env: Kedro's environment, for the command that the message names.

    Returns:
        The store; None if it does not answer and ``former_runs`` are known: they can go on, and
        what they log is sent later.

    Raises:
        TrackingError: If it does not answer and something new begins, or artifacts would be
            written outside the project.
    """
    try:
        store = connect(config, context)
        foreign = _first_foreign_folder(store, former_runs)
    except TrackingError as error:
        if not former_runs:
            raise TrackingError(f"{error}. Nothing has begun") from error
        _logger.warning("%s. The run goes on; what it logs is kept and sent later", error)
        return None
    except MlflowException as error:
        raise TrackingError(_unreachable(config, error)) from error
    if foreign is not None:
        raise TrackingError(
            f"MLflow would write this run's figures and tables to {foreign}, which is not below "
            f"{store.artifact_root}: the project was moved or copied. Repair its database with: "
            f"{kedro('mlflow-relocate', env)}\n"
            "If they do belong there, name that folder in conf/<env>/mlflow.yml: "
            "tracking.experiment.create_experiment_kwargs.artifact_location"
        )
    return store


def _first_foreign_folder(store: TrackingStore, runs: Sequence[str]) -> Path | None:
    known = (store.find_run(run) for run in runs)
    found = (store.foreign_folder(run_id) for run_id in known if run_id is not None)
    return store.foreign_folder() or next(filter(None, found), None)


def context_of(project_path: Path, loader: AbstractConfigLoader) -> Any:
    """Return as much of a Kedro context as :func:`connect` needs, where there is no session."""

    def credentials() -> dict[str, Any]:
        try:
            return dict(loader["credentials"])
        except MissingConfigException:
            return {}

    return SimpleNamespace(
        project_path=project_path, config_loader=loader, _get_config_credentials=credentials
    )


def _set_up(config: MlflowConfig, context: Any) -> TrackingStore:
    """Do what kedro-mlflow's own set-up does, without a trace in MLflow's global state."""
    config._export_credentials(context)
    config._register_request_header_provider(context)
    server, options = config.server, config.tracking.experiment
    client = MlflowClient(server.mlflow_tracking_uri, server.mlflow_registry_uri)
    experiment = client.get_experiment_by_name(options.name)
    if experiment is None:
        experiment = _make_experiment(client, config, context.project_path)
    elif options.restore_if_deleted and experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    server._mlflow_client, options._experiment = client, experiment
    return TrackingStore(
        client=client,
        experiment_id=experiment.experiment_id,
        artifact_root=artifact_root(config, context.project_path),
    )


def _make_experiment(client: MlflowClient, config: MlflowConfig, project_path: Path) -> Any:
    options = config.tracking.experiment
    chosen = options.create_experiment_kwargs
    location = chosen.artifact_location
    if location and is_local_uri(location):
        location = (project_path / Path(local_file_uri_to_path(location))).as_uri()
    try:
        client.create_experiment(
            options.name, location, {**_EXPERIMENT_TAGS, **(chosen.tags or {})}
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was faster
            raise
    return client.get_experiment_by_name(options.name)


def _open_database(config: MlflowConfig) -> None:
    """Raise an error if a database cannot be written to; another process may hold it."""
    address = config.server.mlflow_tracking_uri
    path = database_path(config)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS - 1)) as connection:
            connection.execute("begin immediate")
    elif address.startswith(DATABASES):
        create_engine(address).connect().close()


def _within(seconds: float, action: Callable[[], T]) -> T:
    """Return the result of something that may never end; go on without it after a while.

    Raises:
        TimeoutError: If it has not ended.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(action())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return future.result(timeout=seconds)
    except TimeoutError as error:
        raise TimeoutError(f"no answer within {seconds:.0f} seconds") from error


def _unreachable(config: MlflowConfig, error: Exception) -> str:
    address = shown_address(config)
    if address.startswith("sqlite:"):
        remedy = "end the process that holds the database, or name another store"
    else:
        remedy = "start its server, or name another store"
    return (
        f"MLflow's store {address} cannot be used ({reason_of(error)}); {remedy} in "
        f"conf/<env>/mlflow.yml or in {ADDRESS_VARIABLE} ({DEFAULT_ADDRESS} is a file in the "
        "project)"
    )
