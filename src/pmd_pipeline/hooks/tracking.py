"""The MLflow hook: hands what happens to a tracked session.

Every command loads the project's settings, and with them this module. MLflow takes seconds to
import: that happens when a context is made, with parameters that are known to be right.
"""

from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.hooks.resume import ResumeHook

if TYPE_CHECKING:
    from pmd_pipeline.hooks.tracked_session import TrackedSession

_hooks: list["TrackingHook"] = []


def kill_open_runs() -> None:
    """End every open run as KILLED: the process is interrupted from outside."""
    for hook in _hooks:
        hook.kill()


class TrackingHook:
    """Takes the place of kedro-mlflow's hook; see ``TrackedSession`` for what it does."""

    # The name of kedro-mlflow's entry point: Kedro then takes that hook for registered, and does
    # not import it.
    __name__ = "mlflow_hook"

    def __init__(self, resume: ResumeHook) -> None:
        self._resume = resume
        self._session: TrackedSession | None = None
        _hooks.append(self)

    @hook_impl
    def after_context_created(self, context: ExperimentContext) -> None:
        from pmd_pipeline.hooks.tracked_session import TrackedSession

        self._session = TrackedSession(context, self._resume)

    def session(self) -> "TrackedSession":
        """The session whose context was made last."""
        assert self._session is not None
        return self._session

    @hook_impl
    def after_catalog_created(
        self,
        catalog: DataCatalog,
        conf_catalog: dict[str, Any],
        conf_creds: dict[str, Any],
        parameters: dict[str, Any],
        save_version: str,
        load_versions: dict[str, str],
    ) -> None:
        self.session().after_catalog_created(
            catalog, conf_catalog, conf_creds, parameters, save_version, load_versions
        )

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        self.session().before_pipeline_run(run_params, pipeline, catalog)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        self.session().before_node_run(node)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        self.session().after_dataset_saved(dataset_name, data, node)

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        self.session().after_pipeline_run(run_params, pipeline, catalog)

    @hook_impl
    def on_pipeline_error(
        self,
        error: Exception,
        run_params: dict[str, Any],
        pipeline: Pipeline,
        catalog: DataCatalog,
    ) -> None:
        self.session().on_pipeline_error(error, run_params, pipeline, catalog)

    def kill(self) -> None:
        """End everything as KILLED: the run was interrupted from outside."""
        if self._session is not None:
            self._session.kill()


class TrackingCheckHook:
    """Asks the store before other hooks change anything; settings.py registers it late."""

    def __init__(self, tracking: TrackingHook) -> None:
        self._tracking = tracking

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        self._tracking.session().reach_store(run_params)
