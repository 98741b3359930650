"""What happens around a run: checks before it, threads and libraries, engines closed after it."""

import tempfile
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from pmd_pipeline.config.policy import PretrainedPolicyConfig
from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.hooks.stages import stage_of


class LifecycleHook:
    """Fails early where a run cannot succeed, and leaves nothing running behind.

    Args:
        keeps_graders: True where more runs follow in this process: who starts them closes the
            grading processes after the last.
    """

    def __init__(self, *, keeps_graders: bool = False) -> None:
        self._context: ExperimentContext | None = None
        self._keeps_graders = keeps_graders

    @hook_impl
    def after_context_created(self, context: ExperimentContext) -> None:
        self._context = context

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        # Every command imports this module; what takes seconds to import is for runs alone.
        import torch
        import transformers

        from pmd_pipeline.policies.loading import check_weights_present
        from pmd_pipeline.policies.policy import resolve_device
        from pmd_pipeline.training.processes import check_processes

        assert self._context is not None
        experiment = self._context.experiment
        stages = {stage_of(node) for node in pipeline.nodes}
        check_writable(self._context.data_root)
        policy = experiment.policy_initialisation.policy
        if "policy_initialisation" in stages and isinstance(policy, PretrainedPolicyConfig):
            check_weights_present(policy)
        resolve_device(experiment.compute)
        check_processes(experiment.compute)
        if experiment.compute.num_threads is not None:
            torch.set_num_threads(experiment.compute.num_threads)
        # Their bars for loading a few small files only hide ours.
        transformers.utils.logging.disable_progress_bar()

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        self._close(pipeline, catalog)

    @hook_impl
    def on_pipeline_error(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        self._close(pipeline, catalog)

    def _close(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        from pmd_pipeline.training.sampling import close_grading_pools

        _release_engines(pipeline, catalog)
        if not self._keeps_graders:
            close_grading_pools()


def check_writable(data_root: Path) -> None:
    """Raise PermissionError if the data folder cannot be written to."""
    try:
        with tempfile.TemporaryFile(dir=data_root):
            pass
    except OSError as error:
        raise PermissionError(
            error.errno,
            f"the data folder cannot be written to ({error.strerror}); change its permissions, "
            "or point data_root in conf/<env>/globals.yml at another folder",
            str(data_root),
        ) from error


def _release_engines(pipeline: Pipeline, catalog: Any) -> None:
    from pmd_pipeline.datasets.engines import RolloutEngineDataset

    # Kedro releases no dataset that is an input of the whole pipeline.
    for name in pipeline.inputs():
        if not name.startswith(("params:", "parameters")):
            dataset = catalog.get(name)
            if isinstance(dataset, RolloutEngineDataset):
                dataset.release()
