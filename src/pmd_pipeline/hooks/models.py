"""Models that are evaluated without training: their catalog entries, and checks before they run."""

from collections.abc import Mapping
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from pmd_pipeline.config.evaluate_models import EVALUATE_MODELS, OpenAIEndpointConfig
from pmd_pipeline.config.policy import PretrainedPolicyConfig
from pmd_pipeline.context import ExperimentContext
from pmd_pipeline.hooks.stages import evaluated_model
from pmd_pipeline.policies.model_folder import check_weights_present


class ModelsHook:
    """Adds the models of the section ``evaluate_models`` to the catalog, and checks them early."""

    def __init__(self) -> None:
        self._context: ExperimentContext

    @hook_impl
    def after_context_created(self, context: ExperimentContext) -> None:
        self._context = context

    @hook_impl
    def after_catalog_created(self, catalog: DataCatalog, conf_creds: dict[str, Any]) -> None:
        add_models(catalog, self._context, conf_creds or {})

    @hook_impl(tryfirst=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog
    ) -> None:
        keeps_what_is_there = bool(run_params["only_missing_outputs"])
        for node in pipeline.nodes:
            if not (keeps_what_is_there and _is_done(node, catalog)):
                self._check(node, catalog)

    @hook_impl
    def after_node_run(self, node: Node, catalog: DataCatalog) -> None:
        # The next model may be of another architecture, which an engine cannot change to.
        if evaluated_model(node) is not None and "rollout_engine" in node.inputs:
            catalog.release("rollout_engine")

    def _check(self, node: Node, catalog: DataCatalog) -> None:
        """Check what a node's model needs: that its server answers, or that its files are there."""
        name = evaluated_model(node)
        for dataset in node.inputs if name is not None else ():
            if dataset.endswith(".endpoint") and node.name.endswith(".ask"):
                catalog.load(dataset).check()
            elif dataset.endswith(".model"):
                config = self._context.experiment.evaluate_models.models[str(name)]
                if isinstance(config, PretrainedPolicyConfig):
                    check_weights_present(config, f"evaluate_models.models.{name}")
                catalog.load(dataset)


def add_models(
    catalog: DataCatalog, context: ExperimentContext, credentials: Mapping[str, Any]
) -> None:
    """Add an entry for each model of the section ``evaluate_models``.

    Args:
        catalog: Of the session.
        context: Knows the parameters.
        credentials: Those of the project; only what asks a server gets any.
    """
    models = context.experiment.evaluate_models.models
    if not models:
        return
    from pmd_pipeline.datasets.models import EndpointDataset, ModelDataset
    from pmd_pipeline.endpoints.endpoint import Endpoint

    for name, config in models.items():
        entry = f"{EVALUATE_MODELS}.{name}"
        if isinstance(config, OpenAIEndpointConfig):
            endpoint = Endpoint(
                name=name, config=config, credentials=credentials.get(config.credentials)
            )
            catalog[f"{entry}.endpoint"] = EndpointDataset(endpoint)
        else:
            folder = context.data_root / "06_models"
            catalog[f"{entry}.model"] = ModelDataset(config, folder, name)


def model_checksums(pipeline: Pipeline, catalog: DataCatalog) -> dict[str, str]:
    """Return the checksum of each model that the pipeline runs itself, by name.

    Raises:
        ValueError: If a model is not there.
    """
    from pmd_pipeline.datasets.models import checksum_of

    return {
        str(name): checksum_of(catalog.load(dataset))
        for node in pipeline.nodes
        if (name := evaluated_model(node)) is not None
        for dataset in node.inputs
        if dataset.endswith(".model")
    }


def _is_done(node: Node, catalog: DataCatalog) -> bool:
    return all(catalog.exists(name) for name in node.outputs)
