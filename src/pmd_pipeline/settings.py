"""Project settings; see https://docs.kedro.org/en/stable/kedro_project_setup/settings.html."""

from pmd_pipeline.config_loader import VariantConfigLoader
from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.hooks.console import ConsoleHook
from pmd_pipeline.hooks.lifecycle import LifecycleHook
from pmd_pipeline.hooks.models import ModelsHook
from pmd_pipeline.hooks.progress import ProgressHook
from pmd_pipeline.hooks.remote import RemoteHook
from pmd_pipeline.hooks.resume import ResumeHook
from pmd_pipeline.hooks.selection import SelectionHook
from pmd_pipeline.hooks.tracking import TrackingCheckHook, TrackingHook

# kedro-mlflow's own is not loaded at all: see hooks/tracking.py.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)

_resume = ResumeHook()
_tracking = TrackingHook(_resume)
HOOKS = (
    SelectionHook(),
    _resume,
    LifecycleHook(),
    ModelsHook(),
    RemoteHook(_resume),
    _tracking,
    TrackingCheckHook(_tracking),
    ProgressHook(_resume),
    ConsoleHook(_resume),
)

CONTEXT_CLASS = ExperimentContext

CONFIG_LOADER_CLASS = VariantConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
    "config_patterns": {
        "mlflow": ["mlflow*", "mlflow*/**", "**/mlflow*"],
        "claims": ["claims*", "claims*/**"],
    },
}
