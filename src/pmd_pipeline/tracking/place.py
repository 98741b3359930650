"""Where MLflow keeps its runs, if that is in the project's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from pmd_pipeline.addresses import sqlite_address

# Of runs whose database is a file; MLflow's own choice, but below the working directory.
_ARTIFACTS = "mlruns"


def placed_in_project(config: Mapping[str, Any], project_path: Path) -> dict[str, Any]:
    """Return ``mlflow.yml`` with a SQLite database and its artifacts in the project's folder.

    MLflow would resolve a relative path from the working directory, and keep it for later
    projects.

    Args:
        config: As written.
        project_path: The project's folder.
    """
    server = dict(config.get("server") or {})
    database = _sqlite_file(str(server.get("mlflow_tracking_uri") or ""))
    if database is None:
        return dict(config)
    server["mlflow_tracking_uri"] = sqlite_address(project_path / database)
    tracking = dict(config.get("tracking") or {})
    experiment = dict(tracking.get("experiment") or {})
    # kedro-mlflow resolves a relative one from the project's folder, as an address.
    creation = {
        "artifact_location": _ARTIFACTS,
        **(experiment.get("create_experiment_kwargs") or {}),
    }
    tracking["experiment"] = {**experiment, "create_experiment_kwargs": creation}
    return {**config, "server": server, "tracking": tracking}


def _sqlite_file(uri: str) -> Path | None:
    """Return the file of a SQLite database, None if it is another one or no file."""
    try:
        url = make_url(uri)
    except ArgumentError:
        return None
    is_file = url.drivername == "sqlite" and url.database not in (None, "", ":memory:")
    if not is_file or url.query:
        return None
    return Path(str(url.database))
