"""The project's context: parameters are validated first, and shape the pipelines."""

from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines

from pmd_pipeline.config.experiment import ExperimentConfig, parse_parameters
from pmd_pipeline.project_folder import data_folder


class ExperimentContext(KedroContext):
    """A Kedro context that knows the experiment.

    Pipelines cannot see parameters when they are built, but the parameters decide which algorithms
    and how many phases there are. So the context reads them and rebuilds the pipelines when the
    structure has changed.

    Attributes:
        experiment: All parameters, validated.
        data_root: Where the run's data is.
        mlflow: MLflow's settings; the hook of tracking gives them.

    Raises:
        ParameterError: If a parameter is wrong, before anything is loaded.
        ValueError: If the data folder has a name that Kedro's catalog cannot take.
    """

    experiment: ExperimentConfig
    data_root: Path
    mlflow: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.experiment = parse_parameters(self.config_loader["parameters"])
        # Every command imports the settings, and so this module; the pipelines are for those that
        # make a context, with parameters that are known to be right.
        from pmd_pipeline import pipeline_registry

        self.data_root = data_folder(self.project_path, self.config_loader["globals"]["data_root"])
        self.data_root.mkdir(parents=True, exist_ok=True)
        structure = pipeline_registry.Structure.of(self.experiment)
        if structure != pipeline_registry.get_structure():
            pipeline_registry.set_structure(structure)
            pipelines.configure("pmd_pipeline.pipeline_registry")
