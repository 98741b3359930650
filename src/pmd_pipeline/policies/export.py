"""A trained policy as a folder that any other tool can load."""

from pathlib import Path

import torch

from pmd_pipeline.policies.lora import merge_adapter
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.storage import load_policy


class ExportError(ValueError):
    """A policy cannot be exported; the message says what to do."""


def export_policy(folder: Path, destination: Path) -> Policy:
    """Write the model and tokenizer of a stored policy, with any adapter merged, and return it.

    Args:
        folder: Where :func:`pmd_pipeline.policies.storage.save_policy` left the policy.
        destination: A new or empty folder, which gets what ``from_pretrained`` reads: weights as
            safetensors in the precision they were stored in.

    Raises:
        ExportError: If the destination is not empty.
        CheckpointError: If a file of the policy is missing or damaged.
    """
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise ExportError(f"{destination} is not empty; name a new folder")
    policy = load_policy(folder, device=torch.device("cpu"), dtype="auto")
    merge_adapter(policy)
    # The next sampler then ends responses where they ended in training.
    stops = sorted(policy.stop_token_ids)
    policy.model.generation_config.eos_token_id = stops[0] if len(stops) == 1 else stops or None
    policy.model.save_pretrained(destination, safe_serialization=True)
    policy.tokenizer.save_pretrained(destination)
    return policy
