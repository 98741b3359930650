"""MLflow: a run per study, with a child run per trial."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from optuna import Study, Trial
from optuna.trial import FrozenTrial

from pmd_pipeline.studies.retries import DEAD_WORKER, MLFLOW_RUN
from pmd_pipeline.tracking.runs import log_figure, log_metrics, log_parameters, run_exists


class StudyRuns:
    """The runs of one study.

    Args:
        client: Of the tracking store.
        experiment_id: Where the runs belong.
        study: Remembers its own run and those of its trials.
    """

    def __init__(self, client: MlflowClient, experiment_id: str, study: Study) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._study = study
        former = study.user_attrs.get(MLFLOW_RUN)
        if former is not None and run_exists(client, former):
            self.run_id = str(former)
            client.update_run(self.run_id, status="RUNNING")
            return
        run = client.create_run(
            experiment_id,
            run_name=f"study {study.study_name}",
            tags={"study": study.study_name},
        )
        self.run_id = run.info.run_id
        study.set_user_attr(MLFLOW_RUN, self.run_id)

    def begin_trial(self, trial: Trial, parameters: Mapping[str, Any]) -> str:
        """Start a trial's run and return its id."""
        run = self._client.create_run(
            self._experiment_id,
            run_name=f"trial {trial.number}",
            tags={
                MLFLOW_PARENT_RUN_ID: self.run_id,
                "study": self._study.study_name,
                "trial": str(trial.number),
            },
        )
        run_id = str(run.info.run_id)
        trial.set_user_attr(MLFLOW_RUN, run_id)
        searched = {f"search.{name}": value for name, value in trial.params.items()}
        log_parameters(self._client, run_id, {**searched, **parameters})
        return run_id

    def log(self, run_id: str, metrics: Mapping[str, float], *, step: int) -> None:
        """Log numbers to a trial's run."""
        log_metrics(self._client, run_id, metrics, step=step)

    def end_trial(self, run_id: str, status: str, error: str | None = None) -> None:
        """End a trial's run as FINISHED, KILLED or FAILED with the error."""
        if error is not None:
            self._client.set_tag(run_id, "error", error)
        self._client.set_terminated(run_id, status)

    def end_dead(self, trial: FrozenTrial) -> None:
        """End the run of a trial whose worker has died."""
        run_id = trial.user_attrs.get(MLFLOW_RUN)
        if run_id is not None and run_exists(self._client, run_id):
            self.end_trial(run_id, "FAILED", DEAD_WORKER)

    def log_result(
        self,
        best: Mapping[str, Any],
        metrics: Mapping[str, float],
        figures: Mapping[str, go.Figure],
    ) -> None:
        """Log the findings to the study's own run."""
        for name, value in best.items():
            # Tags, because a parameter cannot change when the study continues.
            self._client.set_tag(self.run_id, f"best.{name}", str(value))
        log_metrics(self._client, self.run_id, metrics, step=0)
        for name, figure in figures.items():
            log_figure(figure, f"figures/{name}.html", self.run_id)

    def log_file(self, path: Path) -> None:
        """Log a file to the study's own run."""
        self._client.log_artifact(self.run_id, str(path))

    def end(self, status: str) -> None:
        """End the study's run."""
        self._client.set_terminated(self.run_id, status)
