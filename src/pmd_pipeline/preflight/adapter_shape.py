"""The size of an adapter, from the shape of the model."""

from dataclasses import dataclass

from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.preflight.shape import ModelShape


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterShape:
    """An adapter in numbers.

    Attributes:
        num_parameters: Of both factors of all layers.
        num_layers: Linear layers that have one.
        rank: Of the factors.
    """

    num_parameters: int
    num_layers: int
    rank: int


def adapter_shape(shape: ModelShape, lora: LoraConfig) -> AdapterShape:
    """Return the shape of the adapter that ``lora`` puts on a model.

    Raises:
        ValueError: If the model has no such layer.
    """
    sizes = [
        size
        for name, size in shape.linear_sizes.items()
        if lora.target_modules == "all-linear"
        or any(f".{name}".endswith(f".{ending}") for ending in lora.target_modules)
    ]
    if not sizes:
        endings = sorted({name.rpartition(".")[2] for name in shape.linear_sizes})
        raise ValueError(
            f"none of the model's linear layers is named {lora.target_modules}; it has {endings}"
        )
    return AdapterShape(
        num_parameters=lora.rank * sum(sizes), num_layers=len(sizes), rank=lora.rank
    )
