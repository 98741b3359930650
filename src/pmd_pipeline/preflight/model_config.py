"""The configuration of the model that will be trained, without its weights."""

import json
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PretrainedConfig

from pmd_pipeline.config.policy import AnyPolicyConfig, PretrainedPolicyConfig
from pmd_pipeline.preflight.hub import Hub


class ModelConfigError(ValueError):
    """The model's configuration is not available; the message says why."""


def find_model_config(
    policy: AnyPolicyConfig, hub: Hub, *, given: Path | None, is_pinned: bool
) -> PretrainedConfig:
    """Return the configuration of the initial policy's model.

    Args:
        policy: Which model.
        hub: Asked whether a hub model is within reach.
        given: A config.json, or a folder with one, to plan with instead.
        is_pinned: False where the hub model's revision is a placeholder.

    Raises:
        ModelConfigError: If it is not available.
    """
    if given is not None:
        return _read(given)
    assert isinstance(policy, PretrainedPolicyConfig)  # of the embedded one all is known
    if policy.path is not None:
        return _read(Path(policy.path), trust_remote_code=policy.trust_remote_code)
    return _from_hub(policy, hub, is_pinned=is_pinned)


def _from_hub(model: PretrainedPolicyConfig, hub: Hub, *, is_pinned: bool) -> PretrainedConfig:
    assert model.hub_name is not None
    found = hub.look_up(model.hub_name, "model", model.revision if is_pinned else None)
    if not found.is_reachable:
        raise ModelConfigError(f"the configuration of {model.hub_name} is out of reach")
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(
            model.hub_name, revision=found.commit, trust_remote_code=model.trust_remote_code
        )
    except (OSError, ValueError, ImportError, StrictDataclassError) as error:
        raise ModelConfigError(
            f"the configuration of {model.hub_name} cannot be read ({_first_line(error)})"
        ) from error
    return config


def _read(path: Path, *, trust_remote_code: bool = False) -> PretrainedConfig:
    file = path / "config.json" if path.is_dir() else path
    try:
        json.loads(file.read_text(encoding="utf-8"))  # its own errors name the place
        # Not `for_model`: only this reads numbers that JSON has no notation for.
        config: PretrainedConfig = AutoConfig.from_pretrained(
            file, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, TypeError, StrictDataclassError) as error:
        raise ModelConfigError(
            f"{file} is not a model configuration ({_first_line(error)})"
        ) from error
    return config


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]
