"""Whether training computes padding, decided once, where the policy is."""

from dataclasses import replace

import torch
from transformers import PreTrainedModel

from pmd_pipeline.config.compute import Precision
from pmd_pipeline.policies.packing import uses_packing
from pmd_pipeline.training.setup import TrainingSetup


def decide_packing(
    setup: TrainingSetup, model: PreTrainedModel, *, device: torch.device, precision: Precision
) -> TrainingSetup:
    """Return the setup with ``packing: auto`` replaced by True or False.

    Args:
        setup: Algorithm and training.
        model: The policy's.
        device: Where it is computed.
        precision: Of its matrix products.

    Raises:
        ValueError: If packing is required but the model does not allow it.
    """
    packing = uses_packing(model, setup.training.packing, device=device, precision=precision)
    return replace(setup, training=setup.training.model_copy(update={"packing": packing}))
