"""MLflow: a run per study, with a child run per trial."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.tracking.context.registry import resolve_tags
from optuna import Study, Trial
from optuna.trial import FrozenTrial

from pmd_pipeline.studies.retries import DEAD_WORKER, MLFLOW_RUN
from pmd_pipeline.tracking.runs import TrackedRuns, below


class StudyRuns:
    """The runs of one study.

    Args:
        runs: Of this process.
        study: Remembers its own run and those of its trials.
        hint: Says where the runs are shown.
    """

    def __init__(self, runs: TrackedRuns, study: Study, hint: str = "") -> None:
        self._runs = runs
        self._study = study
        self._who = resolve_tags()
        self.hint = hint
        former = study.user_attrs.get(MLFLOW_RUN)
        tags = {**self._who, "study": study.study_name}
        self.run = runs.open(f"study {study.study_name}", tags, former)
        if self.run != former:
            study.set_user_attr(MLFLOW_RUN, self.run)

    def begin_trial(self, trial: Trial, parameters: Mapping[str, Any]) -> str:
        """Start a trial's run and return what stands for it."""
        name = self._study.study_name
        tags = {**self._who, **below(self.run), "study": name, "trial": str(trial.number)}
        run = self._runs.begin(f"trial {trial.number}", tags)
        trial.set_user_attr(MLFLOW_RUN, run)
        searched = {f"search.{name}": value for name, value in trial.params.items()}
        self._runs.log_parameters(run, {**searched, **parameters})
        return run

    def log(self, run: str, metrics: Mapping[str, float], *, step: int) -> None:
        """Log numbers to a trial's run."""
        self._runs.log_metrics(run, metrics, step=step)

    def end_trial(self, run: str, status: str, error: str | None = None) -> None:
        """End a trial's run as FINISHED, KILLED or FAILED with the error."""
        if error is not None:
            self._runs.set_tags(run, {"error": error})
        self._runs.end(run, status)

    def end_dead(self, trial: FrozenTrial) -> None:
        """End the run of a trial whose worker has died."""
        run = trial.user_attrs.get(MLFLOW_RUN)
        if run is not None:
            self.end_trial(run, "FAILED", DEAD_WORKER)

    def log_result(self, best: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Log the findings to the study's own run."""
        # Tags, because a parameter cannot change when the study continues.
        self._runs.set_tags(self.run, {f"best.{name}": value for name, value in best.items()})
        self._runs.log_metrics(self.run, metrics, step=0)

    def log_file(self, path: Path) -> None:
        """Log a file to the study's own run."""
        self._runs.log_file(self.run, path.read_bytes(), path.name)

    def end(self, status: str, command: str) -> str | None:
        """End the study's run; return what to tell the user if something could not be sent.

        Args:
            status: FINISHED, FAILED or KILLED.
            command: What sends the rest.
        """
        self._runs.end(self.run, status)
        return self._runs.close(command)
