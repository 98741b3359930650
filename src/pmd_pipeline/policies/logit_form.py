"""How a model makes logits of its last hidden states: found by numbers, not by names of options.

Architectures scale their logits, cap them or scale the head's input, each under an option of its
own name. Here the model's own forward pass runs with stand-ins for its trunk and its head, and what
comes out for known hidden states and known products of the head shows what it does to them. No
weight is used, so a model without any will do.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

_NUM_TOKENS = 3
# Relative, of arithmetic with a tanh in it.
_FLOAT32_ERROR = 1e-5
_BFLOAT16_ERROR = 2**-7


class UnsupportedModelError(ValueError):
    """A model cannot be trained here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitForm:
    """``cap * tanh(scale * head(input_scale * trunk(tokens)) / cap)``.

    Attributes:
        trunk: Name of the module that computes the last hidden states.
        input_scale: Factor of the hidden states.
        scale: Factor of the head's product.
        cap: Largest absolute logit; None without a soft cap.
    """

    trunk: str = "model"
    input_scale: float = 1.0
    scale: float = 1.0
    cap: float | None = None

    def apply_(self, product: Tensor) -> Tensor:
        """Return the logits, in the memory of the head's product."""
        if self.scale != 1:
            product.mul_(self.scale)
        if self.cap is not None:
            product.div_(self.cap).tanh_().mul_(self.cap)
        return product

    def slope(self, logits: Tensor) -> Tensor | float | None:
        """Return the derivative of the logits by the head's product; None where it is 1."""
        if self.cap is None:
            return None if self.scale == 1 else self.scale
        return (logits / self.cap).square_().neg_().add_(1).mul_(self.scale)


_known: weakref.WeakKeyDictionary[PreTrainedModel, LogitForm] = weakref.WeakKeyDictionary()


def logit_form(model: PreTrainedModel) -> LogitForm:
    """Return how a model makes logits; found once for each model.

    Raises:
        UnsupportedModelError: If its head is no linear layer, or its logits are of another form.
    """
    if model not in _known:
        _known[model] = _find(model)
    return _known[model]


@torch.no_grad()
def _find(model: PreTrainedModel) -> LogitForm:
    head, kind = model.get_output_embeddings(), type(model).__name__
    if not isinstance(head, nn.Linear):
        what = "no output head" if head is None else f"a {type(head).__name__} as its output head"
        raise UnsupportedModelError(f"{kind} has {what}, where a linear layer is needed")
    for name, trunk in _possible_trunks(model):
        # A forward pass that gets other things than it expects may raise anything.
        with suppress(Exception):
            return _find_with(model, name, trunk, head)
    raise UnsupportedModelError(
        f"{kind} makes its logits of its last hidden states by other means than a linear head, a "
        "scale and a soft cap"
    )


def _possible_trunks(model: PreTrainedModel) -> Iterator[tuple[str, nn.Module]]:
    """Yield modules that may compute the last hidden states, most likely ones first."""
    names = {module: name for name, module in model.named_modules()}
    # A model may call its base model's decoder, or keep it under another name than it says.
    for module in (model.base_model, model.get_decoder(), getattr(model, "model", None)):
        if isinstance(module, PreTrainedModel) and module is not model:
            yield names[module], module


def _find_with(model: PreTrainedModel, name: str, trunk: nn.Module, head: nn.Linear) -> LogitForm:
    """Return the form if ``trunk`` is the trunk, else raise."""
    # Small whole numbers, which are the same in every precision.
    values = torch.arange(_NUM_TOKENS * head.in_features) % 15 + 1.0
    hidden = values.view(1, _NUM_TOKENS, -1)
    product = _products(head.out_features)
    inputs: list[Tensor] = []

    def head_stand_in(rows: Tensor, *_: Any, **__: Any) -> Tensor:
        inputs.append(rows)
        return product.expand(*rows.shape[:-1], -1).clone()

    with _forward(trunk, lambda *_, **__: _TrunkOutput((hidden,))), _forward(head, head_stand_in):
        logits = model(input_ids=torch.zeros((1, _NUM_TOKENS), dtype=torch.long)).logits
    scale, cap = _scale_and_cap(product, logits)
    return LogitForm(trunk=name, input_scale=_factor(hidden, inputs), scale=scale, cap=cap)


def _products(vocabulary_size: int) -> Tensor:
    """Return products of a head, from tiny to far beyond any cap, of both signs, float32, [V]."""
    values = torch.logspace(-2, 6, (vocabulary_size + 1) // 2)
    return torch.cat([values, -values])[:vocabulary_size]


def _factor(hidden: Tensor, inputs: list[Tensor]) -> float:
    """Return the factor between the trunk's output and the head's input."""
    if len(inputs) != 1:
        raise ValueError(f"the head is called {len(inputs)} times")
    (found,) = inputs
    factor = float(found.flatten()[0] / hidden.flatten()[0])
    torch.testing.assert_close(found.float(), factor * hidden, rtol=_BFLOAT16_ERROR, atol=0)
    return factor


def _scale_and_cap(product: Tensor, logits: Tensor) -> tuple[float, float | None]:
    """Return what makes each row of ``logits``, [1, T, V], of the head's ``product``, [V]."""
    rows = product.expand(1, _NUM_TOKENS, -1)
    if torch.equal(logits, rows):
        return 1.0, None
    rising = slice((len(product) + 1) // 2)
    x, y = product[rising].double(), logits[0, 0, rising].double()
    cap = float(y[-1]) if y[-1] == y[-2] else None
    if cap is None:
        scale = float(y[-1] / x[-1])
    else:
        steep = int((y - cap / 2).abs().argmin())
        scale = float(cap * (y[steep] / cap).atanh() / x[steep])
        scale = 1.0 if abs(scale - 1) < _FLOAT32_ERROR else scale
    expected = LogitForm(scale=scale, cap=cap).apply_(rows.clone())
    torch.testing.assert_close(logits.float(), expected, rtol=_FLOAT32_ERROR, atol=0)
    return scale, cap


class _TrunkOutput(tuple[Tensor]):
    """A trunk's output that has hidden states and nothing else."""

    @property
    def last_hidden_state(self) -> Tensor:
        return self[0]

    def __getattr__(self, name: str) -> None:
        return None


@contextmanager
def _forward(module: nn.Module, stand_in: Callable[..., object]) -> Iterator[None]:
    """Have a module compute ``stand_in`` inside the block."""
    module.forward = stand_in
    try:
        yield
    finally:
        del module.forward
