"""Low-rank adapters on a frozen base policy, with peft; see arXiv:2106.09685."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.policies.policy import Policy

ADAPTER_NAME = "default"  # peft's own


class LoraError(ValueError):
    """An adapter cannot be used; the message says why and what to do."""


def add_adapter(policy: Policy, config: LoraConfig, *, base_folder: Path, seed: int) -> None:
    """Freeze a policy's weights and put a fresh adapter on them, which changes nothing yet.

    Args:
        policy: Changed in place. The adapter has the precision of its weights.
        config: Rank, scale, and which layers.
        base_folder: Where the policy with these weights is stored.
        seed: Decides the adapter's first factor; the second is 0.

    Raises:
        LoraError: If peft is missing or the layers cannot be adapted.
    """
    _require_peft()
    import peft

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            policy.model.add_adapter(
                peft.LoraConfig(
                    r=config.rank,
                    lora_alpha=config.alpha,
                    target_modules=config.target_modules
                    if isinstance(config.target_modules, str)
                    else list(config.target_modules),
                    task_type="CAUSAL_LM",
                ),
                ADAPTER_NAME,
            )
        except ValueError as error:
            raise LoraError(f"training.lora.target_modules: {error}") from error
    _check_layers(policy.model)
    policy.base_folder = base_folder


def load_adapter(policy: Policy, folder: Path, *, base_folder: Path) -> None:
    """Put the adapter that ``save_pretrained`` wrote to ``folder`` on a base policy, in place.

    Raises:
        LoraError: If peft is missing, or the adapter is for another model.
    """
    _require_peft()
    import peft

    # Not the model's own `load_adapter`: it leaves renamings behind that later saving would undo.
    policy.model.add_adapter(peft.PeftConfig.from_pretrained(str(folder)), ADAPTER_NAME)
    weights = load_file(folder / "adapter_model.safetensors")
    own_names = {name.removeprefix("base_model.model."): w for name, w in weights.items()}
    result: Any = peft.set_peft_model_state_dict(policy.model, own_names, ADAPTER_NAME)
    missing = [name for name in result.missing_keys if ".lora_" in name]
    if missing or result.unexpected_keys:
        raise LoraError(
            f"the adapter in {folder} is for another model: "
            f"{(missing + result.unexpected_keys)[0]} has no counterpart"
        )
    policy.base_folder = base_folder


def adapted_layers(model: PreTrainedModel) -> dict[str, Any]:
    """Return the layers that have an adapter, by name; empty for a model without any."""
    return {name: module for name, module in model.named_modules() if hasattr(module, "lora_A")}


@torch.no_grad()
def merged_weight(layer: Any) -> Tensor:
    """Return a layer's weight with its adapter added in float32, rounded to its own type."""
    weight: Tensor = layer.get_base_layer().weight
    first, second = layer.lora_A[ADAPTER_NAME].weight, layer.lora_B[ADAPTER_NAME].weight
    change: Tensor = layer.scaling[ADAPTER_NAME] * (second.float() @ first.float())
    return change.add_(weight).to(weight.dtype)


def merge_adapter(policy: Policy) -> None:
    """Add the adapter to the weights and drop it, in place, leaving an ordinary policy."""
    for name, layer in adapted_layers(policy.model).items():
        base = layer.get_base_layer()
        base.weight.data = merged_weight(layer)
        policy.model.set_submodule(name, base)
    policy.model.requires_grad_(True)
    policy.model._hf_peft_config_loaded = False
    policy.base_folder = None


def _check_layers(model: PreTrainedModel) -> None:
    others = [
        name
        for name, layer in adapted_layers(model).items()
        if not isinstance(layer.get_base_layer(), nn.Linear)
    ]
    if not isinstance(model.get_output_embeddings(), nn.Linear):
        others.append("the output head")
    if others:
        raise LoraError(
            f"training.lora.target_modules: {', '.join(others)} cannot be adapted, only linear "
            "layers inside the model; leave them out, or use all-linear"
        )


def _require_peft() -> None:
    if importlib.util.find_spec("peft") is None:
        raise LoraError(
            "training.lora needs the package peft, which is not installed here; install it with "
            "pip install 'pmd_pipeline[lora]', or remove training.lora to train all weights"
        )
