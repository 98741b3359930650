"""Project settings; see https://docs.kedro.org/en/stable/kedro_project_setup/settings.html."""

import warnings

# Of our dependencies' own doing, and nothing that a user could act on.
warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")
warnings.filterwarnings("ignore", message=r".*Add type hints to the `predict` method")

from pmd_pipeline.context import ExperimentContext  # noqa: E402
from pmd_pipeline.hooks.console import ConsoleHook  # noqa: E402
from pmd_pipeline.hooks.lifecycle import LifecycleHook  # noqa: E402
from pmd_pipeline.hooks.resume import ResumeHook  # noqa: E402
from pmd_pipeline.hooks.tracking import TrackingHook  # noqa: E402

# Ours stands in for kedro-mlflow's own hook: see hooks/tracking.py.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow",)

_resume = ResumeHook()
HOOKS = (_resume, LifecycleHook(), TrackingHook(_resume), ConsoleHook())

CONTEXT_CLASS = ExperimentContext

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
}
