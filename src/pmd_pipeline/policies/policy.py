"""A live policy: a model with its tokenizer.

Nodes and datasets name its type, so this module is imported with the pipelines: torch is imported
where it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmd_pipeline.config.compute import ComputeConfig, Precision
from pmd_pipeline.policies.turns import end_of_turn_token_id

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(slots=True, kw_only=True)
class Policy:
    """A causal language model, its tokenizer, and how many updates it has seen.

    Attributes:
        model: Updated in place by the trainer.
        tokenizer: Its tokenizer.
        policy_version: Optimizer updates since the initial policy.
        precision: Of the matrix products, in training and in an engine that shares the model.
        base_folder: Where an adapter's frozen policy is stored; None without an adapter.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    policy_version: int = 0
    precision: Precision = "float32"
    base_folder: Path | None = None

    @property
    def device(self) -> torch.device:
        """The device that holds the weights."""
        return next(self.model.parameters()).device

    def autocast(self) -> torch.autocast:
        """Return the context in which ``precision`` holds."""
        import torch

        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16"
        )

    @property
    def num_parameters(self) -> int:
        """Number of parameters, tied ones counted once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def stop_token_ids(self) -> frozenset[int]:
        """Tokens that end a response.

        The tokenizer's end of sequence, the generation configuration's, and the end of a turn.
        """
        configured: Any = self.model.generation_config.eos_token_id
        ids = configured if isinstance(configured, list) else [configured]
        return frozenset(
            int(token_id)
            for token_id in [
                *ids,
                self.tokenizer.eos_token_id,
                end_of_turn_token_id(self.tokenizer),
            ]
            if token_id is not None
        )

    @property
    def pad_token_id(self) -> int:
        """The padding token; any token does, as padding is masked everywhere."""
        pad = self.tokenizer.pad_token_id
        return int(pad) if pad is not None else 0


def weight_dtype(weights: Precision) -> torch.dtype:
    """Return torch's name for the precision of weights."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[weights]


def resolve_device(compute: ComputeConfig) -> torch.device:
    """Return the device that ``compute`` asks for.

    Raises:
        ValueError: If CUDA is requested but not available.
    """
    import torch

    available = torch.cuda.is_available()
    if compute.device == "cuda" and not available:
        raise ValueError(
            "compute.device is 'cuda', but torch finds no CUDA device here; "
            "use compute.device: cpu, or auto"
        )
    return torch.device("cuda" if available and compute.device != "cpu" else "cpu")
