"""A policy sent to another process: its modules once, its tensors as a file at each update.

The copy has the same modules, those of an adapter included, and so computes the same bits.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pmd_pipeline.files import memory_folder
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.skeleton import named_tensors, with_empty_weights, without_weights

Tensors = Literal["all", "trained", "frozen"]
TENSORS_FILE = "policy.safetensors"


def skeleton_of(policy: Policy) -> Policy:
    """Return the policy without its tensors' content, to be pickled."""
    return replace(policy, model=without_weights(policy.model))


def policy_from(skeleton: Policy, device: torch.device) -> Policy:
    """Return a policy with room for tensors, which :func:`load_tensors` fills."""
    return replace(skeleton, model=with_empty_weights(skeleton.model, device))


@contextmanager
def tensors_file(policy: Policy, which: Tensors) -> Iterator[Path]:
    """Give a file of a policy's tensors that lasts as long as the block, alone in its folder.

    It is in memory if there is room.

    Args:
        policy: The policy; not changed.
        which: All, those that training changes, or those that it does not.
    """
    tensors = {
        name: tensor.detach().to("cpu").contiguous()
        for name, tensor in named_tensors(policy.model)
        if which == "all" or tensor.requires_grad == (which == "trained")
    }
    parent = memory_folder(sum(tensor.nbytes for tensor in tensors.values()))
    with tempfile.TemporaryDirectory(prefix="pmd_pipeline_policy_", dir=parent) as name:
        path = Path(name) / TENSORS_FILE
        save_file(tensors, path)
        del tensors
        yield path


@torch.no_grad()
def load_tensors(policy: Policy, path: Path, version: int) -> None:
    """Replace a policy's tensors in place by those of a file of :func:`tensors_file`."""
    own = dict(named_tensors(policy.model))
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - it is no mapping
            own[name].copy_(file.get_tensor(name))
    policy.policy_version = version
