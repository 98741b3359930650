"""A model's pass over one new token as a recorded sequence of operations.

For a small model, the library's Python code between two operations takes longer than they do. The
operations of one pass are recorded once (a TorchScript trace) and repeated without it: the same
operations in the same order, and so the same bits, which is tested on other numbers of rows and
columns before a recording is used. A pass that looks at what its tensors hold, as to which expert a
token goes, can go another way next time and is not recorded: it fails on tensors without content.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from pmd_pipeline.engines.growing_cache import growing_layers

_logger = logging.getLogger(__name__)
# Rows and columns of the recorded pass, and of those that it is tested on.
_RECORDED_SHAPE = (3, 5)
_TESTED_SHAPES = ((1, 2), (2, 9), (5, 4))


class TracedStep:
    """A recorded pass, with the tensors of one model of the kind that it was recorded from."""

    def __init__(self, recording: Any, model: PreTrainedModel) -> None:
        self._recording = recording
        self._tensors = _tensors_of(model)

    def read(
        self, tokens: Tensor, positions: Tensor, mask: Tensor | None, cache: DynamicCache
    ) -> Tensor:
        """Return the logits that follow one more token of each row, [B, V].

        Args:
            tokens: int64, [B, 1].
            positions: Of the tokens, int64, [B, 1].
            mask: True on each row's own columns, the new one included, bool [B, T]; as when it was
                recorded, None if there is no padding.
            cache: Keys and values of layers of ours; they get those of the tokens.
        """
        rooms = [view for layer in growing_layers(cache) for view in layer.extend()]
        masks = [] if mask is None else [mask]
        with _as_recorded():
            logits: Tensor = self._recording(tokens, positions, *masks, *rooms, *self._tensors)
        return logits


def trace_step(model: PreTrainedModel, cache: DynamicCache, *, has_mask: bool) -> Any | None:
    """Record a pass over one new token; None for a model of which that cannot be done.

    Args:
        model: In the state in which it decodes; not changed.
        cache: Keys and values of some rows, layers of ours, for their shapes.
        has_mask: Whether rows have padding.
    """
    read = _pass_of(model, len(cache.layers), has_mask=has_mask)
    try:
        read(*_inputs(cache, *_RECORDED_SHAPE, has_mask, "meta"), *_tensors_of(model, "meta"))
        tensors = _tensors_of(model)
        with warnings.catch_warnings():
            # That it is an old interface, and that sizes are taken for constants, which is tested.
            warnings.simplefilter("ignore")
            inputs = _inputs(cache, *_RECORDED_SHAPE, has_mask)
            recording = torch.jit.trace(read, (*inputs, *tensors), check_trace=False)
        for shape in _TESTED_SHAPES:
            inputs = _inputs(cache, *shape, has_mask)
            copies = [tensor.clone() for tensor in inputs]
            with _as_recorded():
                found = recording(*inputs, *tensors)
            expected = read(*copies, *tensors)
            for a, b in zip((found, *inputs), (expected, *copies), strict=True):
                if not torch.equal(a, b):
                    raise ValueError(f"the recording differs at {shape[0]} rows of {shape[1]}")
    except Exception as error:  # a model's code may raise anything: it is called as before
        _logger.debug("%s is not recorded: %s", type(model).__name__, error)
        return None
    return recording


def kind_of(model: PreTrainedModel) -> tuple[object, ...] | None:
    """Return what a recording depends on; None if a model must be called as it is.

    Models of one kind share a recording, as their weights are its arguments.
    """
    modules = list(model.modules())
    if any(module._forward_hooks or module._forward_pre_hooks for module in modules):
        return None
    names = [name for name, _ in (*model.named_parameters(), *model.named_buffers())]
    shapes = [(tensor.shape, tensor.dtype, tensor.device) for tensor in _tensors_of(model)]
    return type(model), repr(model.config.to_dict()), *zip(names, shapes, strict=True)


def _pass_of(model: PreTrainedModel, num_layers: int, *, has_mask: bool) -> Callable[..., Tensor]:
    """Return the model's pass as a function of tensors: inputs, keys and values, weights."""

    def read(tokens: Tensor, positions: Tensor, *others: Tensor) -> Tensor:
        mask, rest = (others[0], others[1:]) if has_mask else (None, others)
        rooms, tensors = rest[: 2 * num_layers], rest[2 * num_layers :]
        cache = DynamicCache()
        cache.layers = [
            _RoomLayer(keys, values) for keys, values in zip(rooms[::2], rooms[1::2], strict=True)
        ]
        with _with_tensors(model, tensors):
            output = model(
                input_ids=tokens,
                position_ids=positions,
                attention_mask=mask,
                past_key_values=cache,
                use_cache=True,
            )
        logits: Tensor = output.logits[:, -1]
        return logits

    return read


class _RoomLayer(DynamicLayer):
    """A layer of a cache whose last column is still to be written."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lazy_initialization(keys, values)
        self._rooms = keys, values
        self.keys, self.values = self._rooms

    def get_seq_length(self) -> int:
        """Return the tokens before the new one."""
        return self._rooms[0].shape[-2] - 1

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        """Write the new token's column and return the keys and values of all."""
        for room, states in zip(self._rooms, (key_states, value_states), strict=True):
            room[:, :, -1:] = states
        return self._rooms


def _as_recorded() -> AbstractContextManager[None]:
    """Keep recordings from being optimised for the shapes seen first: bits would change later."""
    kept: AbstractContextManager[None] = torch.jit.optimized_execution(False)  # type: ignore[attr-defined]
    return kept


def _slots(model: PreTrainedModel) -> list[tuple[dict[str, Any], str, Tensor]]:
    """Return where the weights and buffers are, those in several places more than once."""
    return [
        (held, name, tensor)
        for module in model.modules()
        for held in (module._parameters, module._buffers)
        for name, tensor in held.items()
        if tensor is not None
    ]


def _tensors_of(model: PreTrainedModel, device: str | None = None) -> list[Tensor]:
    tensors = [tensor.detach() for tensor in (*model.parameters(), *model.buffers())]
    return tensors if device is None else [tensor.to(device) for tensor in tensors]


@contextmanager
def _with_tensors(model: PreTrainedModel, tensors: Sequence[Tensor]) -> Iterator[None]:
    """Have the model compute with other weights and buffers inside the block."""
    slots = _slots(model)
    own = (*model.parameters(), *model.buffers())
    other = {id(a): b for a, b in zip(own, tensors, strict=True)}
    try:
        for held, name, tensor in slots:
            held[name] = other[id(tensor)]
        yield
    finally:
        for held, name, tensor in slots:
            held[name] = tensor


def _inputs(
    cache: DynamicCache, rows: int, columns: int, has_mask: bool, device: str | None = None
) -> list[Tensor]:
    """Return a token for each row, its position, a mask, keys and values; columns count it."""
    layers = growing_layers(cache)
    device = device or str(layers[0].contents[0].device)
    generator = torch.Generator().manual_seed(rows)
    starts = torch.arange(rows)[:, None] % columns
    inputs = [torch.ones((rows, 1), dtype=torch.long), columns - 1 - starts]
    if has_mask:
        inputs.append(torch.arange(columns) >= starts)
    for layer in layers:
        for held in layer.contents:
            shape = (rows, held.shape[1], columns, held.shape[3])
            inputs.append(torch.randn(shape, generator=generator).to(held.dtype))
    return [tensor.to(device) for tensor in inputs]
