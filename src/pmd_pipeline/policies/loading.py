"""Models and tokenizers from local folders or the hub, and the embedded default."""

from pathlib import Path
from typing import Any, Literal, assert_never

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from pmd_pipeline.config.data_preparation import ProblemSource
from pmd_pipeline.config.place import PlaceConfig
from pmd_pipeline.config.policy import (
    EmbeddedPolicyConfig,
    PolicyInitialisationConfig,
    PretrainedPolicyConfig,
)
from pmd_pipeline.policies.architectures import check_model
from pmd_pipeline.policies.embedded import build_policy, build_tokenizer
from pmd_pipeline.policies.logit_form import UnsupportedModelError
from pmd_pipeline.policies.model_folder import PolicyLoadError, check_weights_present
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.warm_start import warm_start
from pmd_pipeline.problems.tasks.choice import task_of

# "auto": as the weights are stored.
WeightDtype = torch.dtype | Literal["auto"]


def initialise_policy(
    config: PolicyInitialisationConfig,
    *,
    seed: int,
    held_out: frozenset[str],
    train: ProblemSource,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Policy:
    """Return the initial policy: the embedded one, warm-started, or a pretrained one.

    Args:
        config: Which policy.
        seed: Decides the embedded policy's weights and warm start.
        held_out: Evaluation problems, which the warm start must not contain.
        train: The source of the training problems, whose task the warm start demonstrates.
        device: Where the policy will be.
        dtype: Of its weights; the warm start is in float32 and rounded at the end.

    Raises:
        PolicyLoadError: If a pretrained model cannot be loaded.
    """
    match config.policy:
        case EmbeddedPolicyConfig() as embedded:
            policy = build_policy(embedded, seed=seed)
            policy.model.to(device)  # type: ignore[arg-type]
            warm_start(
                policy, embedded.warm_start, task_of(train), seed=seed + 1, held_out=held_out
            )
            _cast_parameters(policy.model, dtype)
            return policy
        case PretrainedPolicyConfig() as pretrained:
            return load_pretrained(pretrained, device=device, dtype=dtype)
        case _:
            assert_never(config.policy)


def load_pretrained(
    config: PretrainedPolicyConfig, *, device: torch.device, dtype: WeightDtype
) -> Policy:
    """Return a model and its tokenizer from a folder or the hub.

    Raises:
        PolicyLoadError: If it cannot be loaded.
    """
    check_weights_present(config)
    model = load_model(
        location_of(config),
        dtype=dtype,
        trust_remote_code=config.trust_remote_code,
        **_revision(config),
    )
    return Policy(model=_placed(model, device), tokenizer=load_pretrained_tokenizer(config))


def load_pretrained_tokenizer(place: PlaceConfig) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a model in a folder or on the hub.

    Raises:
        PolicyLoadError: If it cannot be loaded.
    """
    trusts = isinstance(place, PretrainedPolicyConfig) and place.trust_remote_code
    return _load_tokenizer_from(location_of(place), trust_remote_code=trusts, **_revision(place))


def load_tokenizer(config: PolicyInitialisationConfig) -> PreTrainedTokenizerBase:
    """Return the policy's tokenizer, without loading any weights.

    Raises:
        PolicyLoadError: If it cannot be loaded.
    """
    match config.policy:
        case EmbeddedPolicyConfig():
            return build_tokenizer()
        case PretrainedPolicyConfig() as pretrained:
            return load_pretrained_tokenizer(pretrained)
        case _:
            assert_never(config.policy)


def load_policy_folder(
    folder: Path, *, policy_version: int, device: torch.device, dtype: WeightDtype
) -> Policy:
    """Return the policy in a folder of :func:`pmd_pipeline.policies.storage.save_policy`."""
    model = load_model(str(folder), dtype=dtype)
    tokenizer = _load_tokenizer_from(str(folder))
    return Policy(model=_placed(model, device), tokenizer=tokenizer, policy_version=policy_version)


def load_tokenizer_folder(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer of a folder that ``save_pretrained`` wrote."""
    return _load_tokenizer_from(str(folder))


def load_model(location: str, *, dtype: WeightDtype, **hub_arguments: Any) -> PreTrainedModel:
    """Return a causal language model in evaluation mode, from safetensors alone.

    Raises:
        PolicyLoadError: If it cannot be loaded, or its architecture is not supported.
    """
    try:
        model = AutoModelForCausalLM.from_pretrained(
            location, dtype=dtype, use_safetensors=True, **hub_arguments
        )
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise PolicyLoadError(_explain("model", location, error)) from error
    try:
        check_model(model)
    except UnsupportedModelError as error:
        raise PolicyLoadError(
            f"{location}: {error}; choose another model: docs/models.md lists them"
        ) from error
    _disable_dropout(model)
    return model.eval()  # type: ignore[no-any-return]


def _cast_parameters(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Cast only the parameters: ``model.to`` would round the positions' frequencies too."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def _disable_dropout(model: PreTrainedModel) -> None:
    """Dropout would make the log-ratio of a policy to itself differ from 0."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        # Others hand a rate of their own to functional.dropout: dropout, activation_dropout, ...
        for name, value in vars(module).items():
            if name.endswith("dropout") and isinstance(value, float):
                setattr(module, name, 0.0)


def _placed(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    return model.to(device)  # type: ignore[arg-type, no-any-return]


def _load_tokenizer_from(location: str, **hub_arguments: Any) -> PreTrainedTokenizerBase:
    try:
        tokenizer = AutoTokenizer.from_pretrained(location, **hub_arguments)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise PolicyLoadError(_explain("tokenizer", location, error)) from error
    if tokenizer.eos_token_id is None:
        raise PolicyLoadError(
            f"the tokenizer of {location!r} has no end-of-sequence token, so no response "
            "would ever end; set eos_token in its tokenizer_config.json"
        )
    return tokenizer


def location_of(place: PlaceConfig) -> str:
    """Return the folder, or the name on the hub."""
    location = place.path if place.path is not None else place.hub_name
    assert location is not None  # the configuration has exactly one of them
    return location


def _revision(place: PlaceConfig) -> dict[str, Any]:
    return {} if place.hub_name is None else {"revision": place.revision}


def _explain(what: str, location: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()
    return (
        f"the {what} of {location!r} cannot be loaded ({type(error).__name__}: "
        f"{reason[0] if reason else 'no message'}); check that the folder is complete, or that the "
        "hub can be reached and the revision exists; only safetensors weights are read"
    )
