"""A model folder as far as its file names go; nothing in it is read."""

from pathlib import Path

from pmd_pipeline.config.policy import PretrainedPolicyConfig

POLICY_KEY = "policy_initialisation.policy"


class PolicyLoadError(ValueError):
    """A model or tokenizer cannot be loaded; the message names its location and what to do."""


def check_weights_present(config: PretrainedPolicyConfig, key: str = POLICY_KEY) -> None:
    """Raise PolicyLoadError if a local folder is not a model folder; reads no weights.

    Args:
        config: Of the model.
        key: The parameter that holds it, for messages.
    """
    if config.path is None:
        return
    folder = Path(config.path)
    if not folder.is_dir():
        raise PolicyLoadError(
            f"{key}.path: {config.path!r} is not a folder; give the folder "
            "with config.json and model.safetensors"
        )
    if not (folder / "config.json").is_file():
        raise PolicyLoadError(
            f"{key}.path: {config.path!r} has no config.json; give the "
            "folder of a transformers model"
        )
    if not any(folder.glob("*.safetensors")):
        found = sorted(path.name for path in folder.iterdir())
        raise PolicyLoadError(
            f"{key}.path: {config.path!r} has no weights: no *.safetensors "
            f"file among {found}; other formats are not read, convert them with "
            "save_pretrained(..., safe_serialization=True)"
        )
