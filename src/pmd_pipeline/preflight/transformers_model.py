"""What transformers and the model's configuration say of a model; imports both and torch."""

from pathlib import Path

from transformers import PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from pmd_pipeline.config.policy import AnyPolicyConfig, PretrainedPolicyConfig
from pmd_pipeline.engines.decoding import decoding_plan
from pmd_pipeline.policies.architectures import check_model, check_model_type
from pmd_pipeline.policies.logit_form import UnsupportedModelError
from pmd_pipeline.policies.packing import PACKED_MODEL_TYPES
from pmd_pipeline.preflight.findings import MEMORY_SECTION, MODEL_SECTION, Finding
from pmd_pipeline.preflight.hub import Hub
from pmd_pipeline.preflight.model_config import ModelConfigError, find_model_config
from pmd_pipeline.preflight.model_shape import empty_model, model_shape
from pmd_pipeline.preflight.shape import ModelShape, parameter_count


def look_at_transformers_model(
    policy: AnyPolicyConfig,
    hub: Hub,
    *,
    given: Path | None,
    is_pinned: bool,
    backend: str | None,
) -> tuple[ModelShape | None, list[Finding]]:
    """Return the shape and the findings; arguments and result are those of `look_at_model`."""
    trusts = isinstance(policy, PretrainedPolicyConfig) and policy.trust_remote_code
    try:
        config = find_model_config(policy, hub, given=given, is_pinned=is_pinned)
        check_model_type(config.model_type)
        model = empty_model(config, trust_remote_code=trusts)
        check_model(model)
        shape = model_shape(model)
    except UnsupportedModelError as error:
        return None, [_failure(str(error), "choose another model: docs/models.md lists them")]
    except ModelConfigError as error:
        if given is not None:
            return None, [_failure(str(error), "give a config.json that transformers can read")]
        return None, [
            _warning(
                f"unknown: {error}",
                "nothing that depends on the model could be checked; give its config.json: "
                "--model-config FILE",
            )
        ]
    except ValueError as error:
        return None, [_failure(str(error), "give a config.json that transformers can read")]
    return shape, [*_architecture(model, backend), parameter_count(shape), *_estimate(model)]


def _architecture(model: PreTrainedModel, backend: str | None) -> list[Finding]:
    kind = model.config.model_type
    if kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        found = _warning(
            f"type {kind!r}, which is not among the tested ones",
            "the run compares its log-probs before anything else, and stops if they differ",
        )
    else:
        value = f"type {kind!r}"
        found = Finding(section=MODEL_SECTION, subject="architecture", value=value, verdict="ok")
    if backend != "transformers" or decoding_plan(model).state_name is not None:
        return [found]
    slow = Finding(
        section=MODEL_SECTION,
        subject="sampling",
        value=f"the transformers engine reads the whole text anew for each token of a {kind}",
        verdict="warning",
        remedy="expect long rollouts, or choose backend: vllm if it supports the model",
    )
    return [found, slow]


def _estimate(model: PreTrainedModel) -> list[Finding]:
    if model.config.model_type in PACKED_MODEL_TYPES:
        return []
    value = "counted as for a Llama layer, which this model's layers differ from"
    return [Finding(section=MEMORY_SECTION, subject="activations, cache", value=value)]


def _failure(value: str, remedy: str) -> Finding:
    return Finding(
        section=MODEL_SECTION, subject="architecture", value=value, verdict="failure", remedy=remedy
    )


def _warning(value: str, remedy: str) -> Finding:
    return Finding(
        section=MODEL_SECTION, subject="architecture", value=value, verdict="warning", remedy=remedy
    )
