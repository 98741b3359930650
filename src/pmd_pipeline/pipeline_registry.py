"""The project's pipelines, built for the training runs and phases of the parameters."""

import os
from dataclasses import dataclass
from typing import Self

from kedro.pipeline import Pipeline

from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.config.training_runs import TrainingRun
from pmd_pipeline.config_loader import project_loader
from pmd_pipeline.pipelines import (
    data_preparation,
    evaluate_models,
    evaluation,
    policy_initialisation,
    reporting,
    rollout_generation,
    study_report,
    theory,
    training,
)
from pmd_pipeline.project_folder import project_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """The parameters that decide which nodes there are."""

    runs: tuple[TrainingRun, ...]
    num_phases: int
    rounds_per_phase: int
    studies: tuple[str, ...]
    models: tuple[tuple[str, bool], ...] = ()
    """Names of models that are evaluated without training, and whether a server runs them."""

    @classmethod
    def of(cls, experiment: ExperimentConfig) -> Self:
        """Return an experiment's structure."""
        return cls(
            runs=experiment.training_runs(),
            num_phases=experiment.training.num_phases,
            rounds_per_phase=experiment.training.rounds_per_phase,
            studies=tuple(experiment.studies),
            models=tuple(
                (name, name in experiment.evaluate_models.endpoints())
                for name in experiment.evaluate_models.models
            ),
        )


_structure: Structure | None = None


def set_structure(structure: Structure) -> None:
    """Have the next ``register_pipelines`` build this structure."""
    global _structure
    _structure = structure


def get_structure() -> Structure | None:
    """Return the structure that was set last."""
    return _structure


def register_pipelines() -> dict[str, Pipeline]:
    """Return every stage by name, and the whole experiment as ``__default__``."""
    # Commands without a context, such as `kedro registry list`, see the default environment.
    structure = _structure or _default_structure()
    runs, num_phases = structure.runs, structure.num_phases
    stages = {
        "data_preparation": data_preparation.create_pipeline(),
        "policy_initialisation": policy_initialisation.create_pipeline(),
        "rollout_generation": rollout_generation.create_pipeline(),
        "training": training.create_pipeline(runs=runs, num_phases=num_phases),
        "evaluation": evaluation.create_pipeline(
            runs=runs,
            num_phases=num_phases,
            rounds_per_phase=structure.rounds_per_phase,
        ),
        "theory": theory.create_pipeline(),
        "reporting": reporting.create_pipeline(runs=runs),
    }
    return {
        **stages,
        "evaluate_models": evaluate_models.create_pipeline(models=dict(structure.models)),
        "study_report": study_report.create_pipeline(studies=structure.studies),
        "__default__": Pipeline(stages.values()),
    }


def _default_structure() -> Structure:
    loader = project_loader(project_folder(), os.environ.get("KEDRO_ENV"))
    return Structure.of(parse_parameters(loader["parameters"]))
