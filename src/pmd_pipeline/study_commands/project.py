"""A study, as configured in the project."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException, OmegaConfigLoader

from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.config.study import StudyConfig
from pmd_pipeline.config_loader import project_loader
from pmd_pipeline.studies.definition import definition
from pmd_pipeline.studies.errors import StudyError
from pmd_pipeline.studies.parameters import repeat_seeds


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyProject:
    """Everything that the configuration says about one study.

    Attributes:
        name: The study's name.
        path: The project's folder.
        env: The Kedro environment; None: the default one.
        runtime_parameters: What ``--params`` says.
        parameters: Of the experiment, complete, as plain values.
        experiment: The same, validated.
        config: The study's own section.
        folder: Where the study keeps its data.
        url: Of its database, if it has one; may contain a password.
    """

    name: str
    path: Path
    env: str | None
    runtime_parameters: Mapping[str, Any]
    parameters: Mapping[str, Any]
    experiment: ExperimentConfig
    config: StudyConfig
    folder: Path
    url: str | None

    @property
    def base_folder(self) -> Path:
        """What all trials share: problems, initial policy, initial rollouts."""
        return self.folder / "base"

    def trial_folder(self, number: int, repeat: int) -> Path:
        """Return where a trial keeps its artefacts."""
        return self.folder / "trials" / f"{number:05d}" / f"repeat_{repeat}"

    @property
    def num_phases(self) -> int:
        """Phases, and so evaluations, of one repeat."""
        return self.config.budget.num_phases or self.experiment.training.num_phases

    @property
    def rounds_per_phase(self) -> int:
        """Rounds between two evaluations."""
        return self.config.budget.rounds_per_phase or self.experiment.training.rounds_per_phase

    @property
    def training_seeds(self) -> tuple[int, ...]:
        """The training seed of each repeat of a trial."""
        return repeat_seeds(self.config, self.experiment)

    @property
    def definition(self) -> dict[str, Any]:
        """What all trials of the study must have in common, flat."""
        return definition(self.config, self.parameters)


def read_project(
    name: str,
    *,
    path: Path,
    env: str | None,
    runtime_parameters: Mapping[str, Any] | None = None,
) -> StudyProject:
    """Read a study from ``conf``.

    Raises:
        ParameterError: If a parameter is wrong.
        ConfigurationError: If there is no such environment.
        StudyError: If there is no such study, or its database's URL cannot be found.
    """
    loader = project_loader(path, env, runtime_parameters)
    parameters = loader["parameters"]
    experiment = parse_parameters(parameters)
    if name not in experiment.studies:
        similar = difflib.get_close_matches(name, experiment.studies, n=1)
        hint = f"; did you mean {similar[0]!r}?" if similar else ""
        raise StudyError(
            f"there is no study {name!r}; conf/*/parameters_study.yml has: "
            f"{', '.join(experiment.studies) or 'none'}{hint}"
        )
    config = experiment.studies[name]
    return StudyProject(
        name=name,
        path=path,
        env=env,
        runtime_parameters=dict(runtime_parameters or {}),
        parameters=parameters,
        experiment=experiment,
        config=config,
        folder=path / loader["globals"]["data_root"] / "studies" / name,
        url=_database_url(config, loader),
    )


def _database_url(config: StudyConfig, loader: OmegaConfigLoader) -> str | None:
    storage = config.storage
    if storage.environment_variable is not None:
        url = os.environ.get(storage.environment_variable)
        if not url:
            raise StudyError(
                f"storage.environment_variable: {storage.environment_variable} is not set; set it "
                "to postgresql://user:password@host:port/database"
            )
        return url
    if storage.credentials is None:
        return None
    try:
        return str(loader["credentials"][storage.credentials]["url"])
    except (MissingConfigException, KeyError, TypeError):
        raise StudyError(
            f"storage.credentials: conf/local/credentials.yml has no entry "
            f"{storage.credentials!r} with the key url"
        ) from None
