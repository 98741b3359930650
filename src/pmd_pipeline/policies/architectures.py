"""Whether a model can be trained here, from its configuration and its forward pass alone."""

from transformers import PreTrainedModel

from pmd_pipeline.policies.logit_form import UnsupportedModelError, logit_form

_AUDIO = "its tokens are sounds"
_DRAFTS = "it drafts tokens for another model, whose states it needs"

# What a model's logits do not show; docs/models.md holds the whole list.
_UNSUPPORTED = {
    "blt": "its bytes are grouped by a second model",
    "cpmant": "it reads a prompt in both directions",
    "gemma3n": "its vision part needs the package timm; gemma3n_text is supported",
    "gemma4_assistant": _DRAFTS,
    "gemma4_unified_assistant": _DRAFTS,
    "git": "it describes images, and reads padded text wrongly",
    "moshi": _AUDIO,
    "musicgen": _AUDIO,
    "musicgen_melody": _AUDIO,
    "reformer": "it hashes tokens into buckets at random",
    "rwkv": "transformers divides some of its weights when it leaves training mode",
    "xlnet": "it reads a text in both directions",
    "xlstm": "transformers has no backward pass for it",
}


def check_model_type(model_type: str) -> None:
    """Raise UnsupportedModelError for an architecture that is known not to work."""
    reason = _UNSUPPORTED.get(model_type)
    if reason is not None:
        raise UnsupportedModelError(f"models of type {model_type!r} are not supported: {reason}")


def check_model(model: PreTrainedModel) -> None:
    """Raise UnsupportedModelError if a model cannot be trained here; it needs no weights."""
    check_model_type(model.config.model_type)
    try:
        logit_form(model)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(
            f"models of type {model.config.model_type!r} are not supported: {error}"
        ) from error
