"""A model's modules without its tensors' content: to be sent, and filled elsewhere."""

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

# Memory is allocated at multiples of this. Weights that are read from a file lie where they were
# in it, and matrix products of tensors that lie otherwise may have other last bits.
_LINE_BYTES = 64
_OFFSET = "offset_in_line"


def without_weights(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy of a model with tensors that have shapes and types but no content.

    They know how those of the model lie in memory.
    """

    def emptied(tensor: Tensor) -> Tensor:
        return tensor.detach().to("meta")

    return _with_tensors(model, emptied, offset_of=_offset_in_line)


def with_empty_weights(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    """Return a copy of a model whose tensors have room on a device; what they hold is undefined.

    Tensors that modules share (a tied output head) stay shared. Those of :func:`without_weights`
    lie on a CPU as the model's own, so that they give the same bits.
    """

    def with_room(tensor: Tensor) -> Tensor:
        offset = getattr(tensor, _OFFSET, 0) // tensor.element_size()
        if offset == 0 or device.type != "cpu" or not tensor.is_contiguous():
            return torch.empty_like(tensor, device=device)
        room = torch.empty(offset + tensor.numel(), dtype=tensor.dtype, device=device)
        return room[offset:].view(tensor.shape)

    return _with_tensors(model, with_room)


def named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield every parameter and buffer once, with its name."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def _offset_in_line(tensor: Tensor) -> int:
    """Return how many bytes after a multiple of the line a tensor on a CPU begins; 0 elsewhere."""
    if tensor.device.type != "cpu":
        return int(getattr(tensor, _OFFSET, 0))
    return tensor.data_ptr() % _LINE_BYTES


def _with_tensors(
    model: PreTrainedModel,
    change: Callable[[Tensor], Tensor],
    *,
    offset_of: Callable[[Tensor], int] | None = None,
) -> PreTrainedModel:
    memo: dict[int, Tensor] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(change(parameter), parameter.requires_grad)
    for buffer in model.buffers():
        memo[id(buffer)] = change(buffer)
    if offset_of is not None:
        for tensor in (*model.parameters(), *model.buffers()):
            setattr(memo[id(tensor)], _OFFSET, offset_of(tensor))
    return copy.deepcopy(model, memo)
