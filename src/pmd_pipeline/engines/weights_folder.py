"""A policy's weights as a folder, for a sampler in another process."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from pmd_pipeline.config.compute import Precision
from pmd_pipeline.files import memory_folder
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.weights import named_weights


@contextmanager
def weights_folder(policy: Policy, precision: Precision) -> Iterator[Path]:
    """Give a folder of the policy's configuration and weights that lasts as long as the block.

    It is in memory if there is room, and has the layout of the model's own checkpoints, which is
    what samplers read: tensors that transformers holds in another form (the experts of a mixture)
    are split up again.

    Args:
        policy: The policy; not changed.
        precision: Of the weights in the folder.
    """
    dtype = getattr(torch, precision)
    parent = memory_folder(policy.num_parameters * dtype.itemsize)
    with tempfile.TemporaryDirectory(prefix="pmd_pipeline_weights_", dir=parent) as name:
        folder = Path(name)
        weights = {
            key: weight.to(dtype) if weight.is_floating_point() else weight
            for key, weight in named_weights(policy)
        }
        # Only a model without an adapter writes full weights; this one has no content itself.
        with torch.device("meta"):
            plain = type(policy.model)(policy.model.config)
        plain.save_pretrained(folder, state_dict=weights)
        del weights
        yield folder
