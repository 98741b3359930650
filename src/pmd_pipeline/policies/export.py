"""A trained policy as a folder that any other tool can load."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from transformers import GenerationConfig

from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.files import file_digest, whole_folder
from pmd_pipeline.policies.lora import merge_adapter
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.storage import load_policy

CARD_NAME = "README.md"

Card = Callable[[Policy, Mapping[str, str]], str]
"""Gives a model card's text for an exported policy and the SHA-256 of its weight files by name."""


class ExportError(ValueError):
    """A policy cannot be exported; the message says what to do."""


def refuse_occupied(destination: Path) -> None:
    """Raise ExportError unless a folder is new or empty."""
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise ExportError(f"{destination} is not empty; name a new folder")


def export_policy(
    folder: Path,
    destination: Path,
    *,
    sampling: SamplingConfig | None = None,
    card: Card | None = None,
) -> Policy:
    """Write the model and tokenizer of a stored policy, with any adapter merged, and return it.

    Args:
        folder: Where :func:`pmd_pipeline.policies.storage.save_policy` left the policy.
        destination: A new or empty folder, which gets what ``from_pretrained`` reads: weights as
            safetensors in the precision they were stored in. It is there when it is complete.
        sampling: How whoever loads the policy samples from it unless told otherwise; None: as its
            initial policy says.
        card: Gives the model card; None: there is none.

    Raises:
        ExportError: If the destination is not empty.
        CheckpointError: If a file of the policy is missing or damaged.
    """
    refuse_occupied(destination)
    policy = load_policy(folder, device=torch.device("cpu"), dtype="auto")
    merge_adapter(policy)
    policy.model.generation_config = _generation_config(policy, sampling)
    with whole_folder(destination) as partial:
        policy.model.save_pretrained(partial, safe_serialization=True)
        policy.tokenizer.save_pretrained(partial)
        # The weights would be for their owner alone, whatever the umask says.
        mode = (partial / "config.json").stat().st_mode
        for path in partial.glob("*.safetensors"):
            path.chmod(mode)
        if card is not None:
            weights = {
                path.name: file_digest(path) for path in sorted(partial.glob("*.safetensors"))
            }
            (partial / CARD_NAME).write_text(card(policy, weights), encoding="utf-8")
    return policy


def _generation_config(policy: Policy, sampling: SamplingConfig | None) -> GenerationConfig:
    """Return a configuration with which responses end where they ended in training."""
    former = policy.model.generation_config
    stops = sorted(policy.stop_token_ids)
    if sampling is not None:
        # Nothing else: a penalty of the initial policy's own would change what was measured.
        former = GenerationConfig(
            bos_token_id=former.bos_token_id,
            pad_token_id=former.pad_token_id,
            do_sample=True,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
        )
    former.eos_token_id = stops[0] if len(stops) == 1 else stops or None
    return former
