"""A model divided among processes by torch's FSDP2, and moving its tensors there and back.

Tensors are sent one at a time, so no process except the driver ever holds a full model.
"""

from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from transformers import PreTrainedModel

from pmd_pipeline.config.compute import Precision
from pmd_pipeline.training.sharded.collectives import Peers


def shard_module(root: nn.Module, peers: Peers, *, precision: Precision) -> None:
    """Divide a module without weights among the peers, in place; each decoder layer separately.

    A layer's weights are gathered only while it computes. Gradients are summed over the processes,
    not averaged: losses are divided by counts over all of them.

    Args:
        root: Holds a transformers model; called only through its ``forward``.
        peers: The processes that share it.
        precision: bfloat16: layers are gathered and computed in it, gradients are added in float32.
    """
    mixed = MixedPrecisionPolicy()
    if precision == "bfloat16":
        mixed = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    for layer in _layers(root):
        fully_shard(layer, mesh=peers.mesh, mp_policy=mixed)
    fully_shard(root, mesh=peers.mesh, mp_policy=mixed)
    for module in root.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo knows no scaled sum
    root.to_empty(device=peers.device)


def scatter_weights(sharded: nn.Module, whole: nn.Module | None, peers: Peers) -> None:
    """Fill a sharded model from the driver's full one; buffers are full everywhere.

    Args:
        sharded: This process's share.
        whole: In the driver, the same model in full; None elsewhere.
        peers: All of them call this together.
    """
    weights = {} if whole is None else dict(whole.named_parameters())
    buffers = {} if whole is None else dict(whole.named_buffers())
    with torch.no_grad():
        for name, parameter in sharded.named_parameters():
            parameter.copy_(scatter_tensor(weights.get(name), parameter, peers))
        for name, buffer in sharded.named_buffers():
            if name in buffers:
                buffer.copy_(buffers[name])
            dist.broadcast(buffer, src=0)


def scatter_tensor(source: Tensor | None, like: Tensor, peers: Peers) -> DTensor:
    """Return the driver's ``source`` (None elsewhere) divided among the peers.

    Args:
        source: The full tensor, on any device.
        like: Has its shape and type.
        peers: All of them call this together.
    """
    if source is None:
        whole = torch.empty(like.shape, dtype=like.dtype, device=peers.device)
    else:
        whole = source.detach().to(peers.device, like.dtype)
    return distribute_tensor(whole, peers.mesh, [Shard(0)], src_data_rank=0)


def gather_weights(sharded: nn.Module, whole: nn.Module | None) -> None:
    """Copy a sharded model's trainable weights into the driver's full one (None elsewhere)."""
    weights = {} if whole is None else dict(whole.named_parameters())
    with torch.no_grad():
        for name, parameter in sharded.named_parameters():
            if parameter.requires_grad:
                full = gather_tensor(parameter)
                if name in weights:
                    weights[name].copy_(full)


def gather_tensor(tensor: Tensor) -> Tensor:
    """Return a sharded tensor in full, in every process; any other as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _layers(root: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules that the model's own class declares to be its layers."""
    names: set[str] = set()
    for module in root.modules():
        if isinstance(module, PreTrainedModel):
            names |= set(module._no_split_modules or ())
    yield from [module for module in root.modules() if type(module).__name__ in names]
