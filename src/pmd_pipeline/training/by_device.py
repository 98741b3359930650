"""What a training leaves to the device that computes it, decided once, where the policy is."""

from dataclasses import replace

import torch
from transformers import PreTrainedModel

from pmd_pipeline.config.compute import Precision
from pmd_pipeline.config.training import micro_batch_tokens_on
from pmd_pipeline.policies.packing import uses_packing
from pmd_pipeline.training.setup import TrainingSetup


def decide_by_device(
    setup: TrainingSetup, model: PreTrainedModel, *, device: torch.device, precision: Precision
) -> TrainingSetup:
    """Return the setup with ``packing`` and ``micro_batch_tokens`` decided where they are ``auto``.

    Args:
        setup: Algorithm and training.
        model: The policy's.
        device: Where it is computed.
        precision: Of its matrix products.

    Raises:
        ValueError: If packing is required but the model does not allow it.
    """
    training = setup.training
    packing = uses_packing(model, training.packing, device=device, precision=precision)
    tokens = micro_batch_tokens_on(training.micro_batch_tokens, is_gpu=device.type != "cpu")
    decided = {"packing": packing, "micro_batch_tokens": tokens}
    return replace(setup, training=training.model_copy(update=decided))
