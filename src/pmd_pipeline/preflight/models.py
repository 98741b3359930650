"""Whether models that are evaluated without training are there: files, and servers that answer."""

from collections.abc import Mapping
from typing import Any

from pmd_pipeline.config.evaluate_models import EvaluateModelsConfig, OpenAIEndpointConfig
from pmd_pipeline.config.policy import PretrainedPolicyConfig
from pmd_pipeline.endpoints.endpoint import Endpoint
from pmd_pipeline.endpoints.errors import EndpointError
from pmd_pipeline.policies.model_folder import PolicyLoadError, check_weights_present
from pmd_pipeline.preflight.findings import Finding

SECTION = "Models to evaluate without training"


def check_models(config: EvaluateModelsConfig, credentials: Mapping[str, Any]) -> list[Finding]:
    """Look for model folders, and ask each server for its model.

    What is missing is a warning: a training can do without.

    Args:
        config: The section ``evaluate_models``.
        credentials: Of the project.
    """
    findings = []
    for name, model in config.models.items():
        try:
            found = _look_at(name, model, credentials)
        except (EndpointError, PolicyLoadError) as error:
            findings.append(
                Finding(
                    section=SECTION,
                    subject=name,
                    value="not usable",
                    verdict="warning",
                    remedy=str(error),
                )
            )
        else:
            findings += [Finding(section=SECTION, subject=name, value=found, verdict="ok")]
    return findings


def _look_at(name: str, model: Any, credentials: Mapping[str, Any]) -> str:
    if isinstance(model, OpenAIEndpointConfig):
        endpoint = Endpoint(name=name, config=model, credentials=credentials.get(model.credentials))
        endpoint.check()
        return f"{endpoint.address().base_url}: has {model.model}"
    if isinstance(model, PretrainedPolicyConfig):
        check_weights_present(model, f"evaluate_models.models.{name}")
        return model.path or f"{model.hub_name}@{model.revision}"
    return f"policy {model.path}"
