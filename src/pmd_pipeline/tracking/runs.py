"""One MLflow run per algorithm, below the run of the pipeline."""

import math
import time
from collections.abc import Mapping
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

# MLflow refuses longer parameter values, and more entries in one request.
_MAX_PARAM_LENGTH = 6000
_MAX_BATCH = 100
_MAX_TABLE_ROWS = 1000


class AlgorithmRuns:
    """The child runs of one pipeline run, by algorithm label."""

    def __init__(self, client: MlflowClient, experiment_id: str, parent_run_id: str) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._parent_run_id = parent_run_id
        self.run_ids: dict[str, str] = {}

    def open(self, label: str, former_run_id: str | None) -> None:
        """Continue the algorithm's earlier run, or start one."""
        if former_run_id is not None and run_exists(self._client, former_run_id):
            self._client.update_run(former_run_id, status="RUNNING")
            self.run_ids[label] = former_run_id
            return
        run = self._client.create_run(
            self._experiment_id,
            run_name=label,
            tags={MLFLOW_PARENT_RUN_ID: self._parent_run_id, "algorithm": label},
        )
        self.run_ids[label] = run.info.run_id

    def log_metrics(self, label: str, metrics: Mapping[str, float], *, step: int) -> None:
        """Log numbers at a step; NaN and infinity are left out."""
        log_metrics(self._client, self.run_ids[label], metrics, step=step)

    def log_parameters(self, label: str, parameters: Mapping[str, Any]) -> None:
        """Log flat parameters."""
        log_parameters(self._client, self.run_ids[label], parameters)

    def log_table(self, label: str, table: pd.DataFrame, artifact_file: str) -> None:
        """Log a table for MLflow's page, replacing an earlier one of that name."""
        # Written as the artifact itself: mlflow.log_table would append to an earlier one.
        text = table.head(_MAX_TABLE_ROWS).to_json(orient="split", index=False)
        self._client.log_text(self.run_ids[label], text, artifact_file)

    def end(self, label: str, status: str) -> None:
        """End the algorithm's run as FINISHED, FAILED or KILLED."""
        self._client.set_terminated(self.run_ids[label], status)


def run_exists(client: MlflowClient, run_id: str) -> bool:
    """Return True if the tracking store knows the run and it is not deleted."""
    try:
        return str(client.get_run(run_id).info.lifecycle_stage) == "active"
    except MlflowException:
        return False


def log_metrics(
    client: MlflowClient, run_id: str, metrics: Mapping[str, float], *, step: int
) -> None:
    """Log numbers at a step; NaN and infinity, which some stores refuse, are left out."""
    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[
            Metric(name, float(value), now, step)
            for name, value in metrics.items()
            if math.isfinite(value)
        ],
    )


def log_parameters(client: MlflowClient, run_id: str, parameters: Mapping[str, Any]) -> None:
    """Log flat parameters; a value too long for a parameter becomes a tag."""
    texts = {name: str(value) for name, value in parameters.items()}
    params = [Param(k, v) for k, v in texts.items() if len(v) <= _MAX_PARAM_LENGTH]
    tags = [RunTag(k, v) for k, v in texts.items() if len(v) > _MAX_PARAM_LENGTH]
    for start in range(0, len(params), _MAX_BATCH):
        client.log_batch(run_id, params=params[start : start + _MAX_BATCH])
    client.log_batch(run_id, tags=tags)


def log_figure(figure: Any, artifact_file: str, run_id: str) -> None:
    """Log a plotly or matplotlib figure to a run."""
    MlflowClient().log_figure(run_id, figure, artifact_file)


def end_active_runs(status: str) -> None:
    """End every run that is active in this process."""
    while mlflow.active_run():
        mlflow.end_run(status)
