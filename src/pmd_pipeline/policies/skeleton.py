"""A model's modules without its tensors' content: to be sent, and filled elsewhere."""

import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


def without_weights(model: PreTrainedModel) -> PreTrainedModel:
    """Return a copy of a model with tensors that have shapes and types but no content."""
    return _with_tensors(model, lambda tensor: tensor.detach().to("meta"))


def with_empty_weights(model: PreTrainedModel, device: torch.device) -> PreTrainedModel:
    """Return a copy of a model whose tensors have room on a device; what they hold is undefined.

    Tensors that modules share (a tied output head) stay shared.
    """
    return _with_tensors(model, lambda tensor: torch.empty_like(tensor, device=device))


def named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield every parameter and buffer once, with its name."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def _with_tensors(model: PreTrainedModel, change: Callable[[Tensor], Tensor]) -> PreTrainedModel:
    memo: dict[int, Tensor] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(change(parameter), parameter.requires_grad)
    for buffer in model.buffers():
        memo[id(buffer)] = change(buffer)
    return copy.deepcopy(model, memo)
