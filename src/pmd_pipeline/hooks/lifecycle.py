"""What happens around a run: checks before it, threads and libraries, engines closed after it."""

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from pmd_pipeline.cluster import session
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.experiment import ExperimentConfig
from pmd_pipeline.config.policy import PretrainedPolicyConfig
from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.hooks.stages import stage_of
from pmd_pipeline.policies.model_folder import check_weights_present

if TYPE_CHECKING:
    from pmd_pipeline.datasets.engines import RolloutEngineDataset

_logger = logging.getLogger(__name__)


class LifecycleHook:
    """Fails early if a run cannot succeed, and leaves no process running.

    Args:
        more_runs_follow: True if this process makes more of them: the code that starts them closes
            the grading processes, and leaves the Ray cluster, after the last.
    """

    def __init__(self, *, more_runs_follow: bool = False) -> None:
        self._context: ExperimentContext | None = None
        self._more_runs_follow = more_runs_follow

    @hook_impl
    def after_context_created(self, context: ExperimentContext) -> None:
        self._context = context

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        assert self._context is not None
        experiment = self._context.experiment
        stages = {stage_of(node) for node in pipeline.nodes}
        check_writable(self._context.data_root)
        session.name_cluster(experiment.cluster, self._context.data_root / "ray.log")
        policy = experiment.policy_initialisation.policy
        if "policy_initialisation" in stages and isinstance(policy, PretrainedPolicyConfig):
            check_weights_present(policy)
        engines = _engines(pipeline, catalog)
        if engines and experiment.rewards.kind != "math":
            check_reward(experiment)
        for engine in engines:
            engine.check_available()
            if isinstance(policy, PretrainedPolicyConfig):
                check_preflight(self._context)
        if engines or "policy_initialisation" in stages:
            prepare_torch(experiment.compute, trains=any(s.startswith("training") for s in stages))

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        self._close(pipeline, catalog)

    @hook_impl
    def on_pipeline_error(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        self._close(pipeline, catalog)

    def _close(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        from pmd_pipeline.rewards.choice import close_rewards

        # Kedro releases no dataset that is an input of the whole pipeline.
        for engine in _engines(pipeline, catalog):
            engine.release()
        if not self._more_runs_follow:
            close_rewards()
            session.leave()


def prepare_torch(compute: ComputeConfig, *, trains: bool) -> None:
    """Check that the devices and processes are there, and set up what will compute on them.

    Args:
        compute: Where and how the run computes.
        trains: Whether processes that train together are needed.

    Raises:
        ValueError: If they are not.
    """
    # Every command imports this module; imports that take seconds are for runs that compute.
    import torch
    import transformers

    from pmd_pipeline.policies.policy import resolve_device
    from pmd_pipeline.training.sharded.driver import check_processes

    resolve_device(compute)
    if trains:
        check_processes(compute)
    if compute.num_threads is not None:
        torch.set_num_threads(compute.num_threads)
    # Its bars for loading a few small files only hide ours.
    transformers.utils.logging.disable_progress_bar()


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


def check_reward(experiment: ExperimentConfig) -> None:
    """Have the reward score one made-up response, before anything is sampled.

    Raises:
        PreflightError: If it cannot.
    """
    from pmd_pipeline import preflight

    for finding in preflight.failures(preflight.check_reward(experiment)):
        raise preflight.PreflightError(f"{finding.subject}: {finding.value}; {finding.remedy}")


def check_preflight(context: ExperimentContext) -> None:
    """Check everything that a run needs, as ``kedro preflight`` does, and log warnings.

    Raises:
        PreflightError: If the run cannot work, unless ``compute.preflight`` is ``warn``.
    """
    from pmd_pipeline.preflight import PreflightError, Request, require_ready, warnings_of

    request = Request(
        parameters=context.config_loader["parameters"],
        engine=context.config_loader["catalog"]["rollout_engine"],
        data_root=context.data_root,
        keeps_all_moments=context.config_loader["globals"]["keep_optimizer_states"] == "all",
    )
    try:
        findings = require_ready(request, env=context.env)
    except PreflightError as error:
        if context.experiment.compute.preflight == "require":
            raise
        _logger.warning("%s", error)
        return
    for finding in warnings_of(findings):
        _logger.warning("%s: %s; %s", finding.subject, finding.value, finding.remedy)
    _logger.info("Preflight: ready to run.")


def _engines(pipeline: Pipeline, catalog: Any) -> "list[RolloutEngineDataset]":
    """Return the engines that a pipeline takes as inputs."""
    from pmd_pipeline.datasets.engines import RolloutEngineDataset

    names = [name for name in pipeline.inputs() if not name.startswith(("params:", "parameters"))]
    datasets = [catalog.get(name) for name in names]
    return [dataset for dataset in datasets if isinstance(dataset, RolloutEngineDataset)]
