"""One trial: a Kedro session per repeat, reported to Optuna and MLflow."""

import logging
import math
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna import Trial
from optuna.exceptions import UpdateFinishedTrialError

from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.flat_parameters import flatten
from pmd_pipeline.hooks.lifecycle import LifecycleHook
from pmd_pipeline.pipelines.training.nodes import phase_name
from pmd_pipeline.policies.policy import resolve_device
from pmd_pipeline.studies.findings import INTERVAL, REPEAT_VALUES, SECONDS, STEP_VALUES
from pmd_pipeline.studies.parameters import trial_parameters
from pmd_pipeline.studies.retries import INTERRUPTED, is_reclaimed
from pmd_pipeline.studies.search_space import suggest
from pmd_pipeline.studies.tracking import StudyRuns
from pmd_pipeline.study_commands.project import StudyProject
from pmd_pipeline.study_commands.session import PhaseRunner, StudySession
from pmd_pipeline.study_commands.trial_hook import Evaluation, TrialHook

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRunner:
    """Runs trials of one study, each in its own folder and MLflow run."""

    project: StudyProject
    runs: StudyRuns

    def __call__(self, trial: Trial) -> float | Sequence[float]:
        """Run a trial and return its objective.

        Raises:
            optuna.TrialPruned: If its evaluations are not good enough to continue.
            UpdateFinishedTrialError: If another worker has taken it over.
        """
        project = self.project
        values = suggest(trial, project.config, project.experiment)
        parameters = trial_parameters(project.parameters, project.config, values)
        parameters["training"]["seeds"] = list(project.training_seeds)
        experiment = parse_parameters(parameters)
        run_id = self.runs.begin_trial(trial, flatten(experiment.model_dump(mode="json")))
        _logger.debug("Trial %d begins.", trial.number)
        progress = _Progress(trial=trial, num_phases=project.num_phases)
        try:
            for repeat, run in enumerate(experiment.training_runs()):
                folder = project.trial_folder(trial.number, repeat)
                self._run_repeat(repeat, run, folder, parameters, experiment, run_id, progress)
        except optuna.TrialPruned:
            self._end(trial, run_id, "KILLED", "pruned")
            raise
        except KeyboardInterrupt:
            self._end(trial, run_id, "KILLED", INTERRUPTED)
            raise
        except Exception as error:
            self._end(trial, run_id, "FAILED", f"{type(error).__name__}: {error}")
            raise
        finally:
            # It must not hide an interruption.
            with suppress(UpdateFinishedTrialError):
                trial.set_user_attr(SECONDS, progress.training_seconds)
        accuracy = progress.finish()
        self.runs.log(
            run_id,
            {
                "objective/accuracy": accuracy,
                "objective/training_seconds": progress.training_seconds,
            },
            step=project.num_phases * project.rounds_per_phase,
        )
        self._end(trial, run_id, "FINISHED")
        if project.config.objective == "accuracy_and_seconds":
            return accuracy, progress.training_seconds
        return accuracy

    def _end(self, trial: Trial, run_id: str, status: str, error: str | None = None) -> None:
        # Whoever has taken the trial over has ended its run too.
        if not is_reclaimed(trial):
            self.runs.end_trial(run_id, status, error)

    def _run_repeat(
        self,
        repeat: int,
        run: TrainingRun,
        folder: Path,
        parameters: dict[str, Any],
        experiment: ExperimentConfig,
        run_id: str,
        progress: "_Progress",
    ) -> None:
        project = self.project
        shutil.rmtree(folder, ignore_errors=True)
        prefix = f"repeat_{repeat}/" if project.config.repeats > 1 else ""

        num_samples = experiment.evaluation.num_samples

        def log_round(metrics: dict[str, float], round_index: int) -> None:
            self.runs.log(run_id, {f"{prefix}{k}": v for k, v in metrics.items()}, step=round_index)

        def report(evaluation: Evaluation) -> None:
            self.runs.log(
                run_id,
                {f"{prefix}validation/avg_at_{num_samples}": evaluation.value},
                step=evaluation.phase * project.rounds_per_phase,
            )
            progress.report(repeat, evaluation, may_prune=project.config.objective == "accuracy")

        hook = TrialHook(log_round, report, _clock(experiment))
        try:
            with StudySession.begin(
                project.path,
                env=project.env,
                parameters=parameters,
                data_root=folder,
                shared_root=project.base_folder,
                hooks=[LifecycleHook(more_runs_follow=True), hook],
            ) as session:
                groups = [
                    [f"{run.namespace}.{phase_name(phase)}.{node}" for node in _NODES]
                    for phase in range(1, project.num_phases + 1)
                ]
                session.run(
                    pipeline_names=["training", "evaluation"],
                    node_names=[name for group in groups for name in group],
                    runner=PhaseRunner(groups),
                )
        finally:
            progress.training_seconds += hook.training_seconds


_NODES = ("train", "evaluate", "compute_metrics")


@dataclass(slots=True, kw_only=True)
class _Progress:
    """A trial's evaluations so far."""

    trial: Trial
    num_phases: int
    training_seconds: float = 0.0
    by_phase: dict[int, list[float]] = field(default_factory=dict)
    by_step: dict[str, float] = field(default_factory=dict)
    interval: tuple[float, float] = (math.nan, math.nan)

    def report(self, repeat: int, evaluation: Evaluation, *, may_prune: bool) -> None:
        """Report to Optuna; steps continue over the repeats, values are means over them."""
        values = self.by_phase.setdefault(evaluation.phase, [])
        values.append(evaluation.value)
        self.interval = (evaluation.low, evaluation.high)
        step = repeat * self.num_phases + evaluation.phase
        self.by_step[str(step)] = sum(values) / len(values)
        if not may_prune:
            # With two objectives, Optuna takes no intermediate values.
            self.trial.set_user_attr(STEP_VALUES, self.by_step)
            return
        self.trial.report(self.by_step[str(step)], step)
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"after phase {evaluation.phase}")

    def finish(self) -> float:
        """Record the final values and return their mean."""
        values = self.by_phase[self.num_phases]
        self.trial.set_user_attr(REPEAT_VALUES, values)
        if len(values) == 1:
            self.trial.set_user_attr(INTERVAL, list(self.interval))
        return sum(values) / len(values)


def _clock(experiment: ExperimentConfig) -> Any:
    """Return the clock for the device that computes: processor time or wall-clock time."""
    is_cpu = resolve_device(experiment.compute).type == "cpu"
    return time.process_time if is_cpu else time.perf_counter
