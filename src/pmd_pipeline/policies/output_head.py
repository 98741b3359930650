"""Log-probs and entropies through the output head, a chunk of tokens at a time.

A custom autograd function. Logits that fit into one chunk are kept, as probabilities, until the
backward pass has used them. Of more than that nothing is kept beside the inputs: the backward pass
computes each chunk of logits again and adds its part to a single gradient of the head's weights.
Alternatives that were considered:

- ``torch.utils.checkpoint`` around each chunk also discards the logits, but autograd then makes a
  gradient as large as the head for every chunk and adds them up, and it keeps several copies of a
  chunk, because nothing is done in place.
- Liger's fused kernels use Triton: none of them runs on a CPU. Its fused linear cross-entropy has
  neither an entropy nor a gradient for a weight per token, which every loss here needs.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from pmd_pipeline.policies.chunk_size import LOGITS_PER_CHUNK
from pmd_pipeline.policies.logit_form import LogitForm

# Rows of the head's gradient that are added at a time if a product has another precision.
_ROWS_PER_SUM = 8192
_PLAIN = LogitForm()


def head_log_probs(
    head: nn.Module,
    hidden: Tensor,
    targets: Tensor,
    *,
    temperature: float,
    form: LogitForm = _PLAIN,
    with_entropy: bool = False,
    logits_per_chunk: int = LOGITS_PER_CHUNK,
) -> tuple[Tensor, Tensor | None]:
    """Return the log-prob of each target and, if wanted, the entropy of its distribution.

    Under autocast the head's products have autocast's precision, like any linear layer's. From the
    logits on, everything is float32 (float64 for a float64 head): in bfloat16 the differences
    between policies would be lost.

    Args:
        head: A linear layer, with or without bias.
        hidden: The head's input, [N, H].
        targets: Token ids, [N].
        temperature: Divides the logits.
        form: What makes logits of the head's product; its factor of the hidden states is not used.
        with_entropy: Whether entropies are wanted; they cost another pass over the logits.
        logits_per_chunk: Most logits in memory at once, but at least those of one token.

    Returns:
        Log-probs, nats, [N], and entropies, nats, no gradient, [N], or None.

    Raises:
        ValueError: If the head is not a linear layer.
    """
    if not isinstance(head, nn.Linear):
        raise ValueError(
            f"the model's output head is a {type(head).__name__}, not a linear layer; it must be "
            "a plain one: choose another model, or leave the head out of the adapter's "
            "target_modules"
        )
    dtype = head.weight.dtype
    if torch.is_autocast_enabled(hidden.device.type):
        dtype = torch.get_autocast_dtype(hidden.device.type)
    chunk = max(1, logits_per_chunk // head.weight.shape[0])
    # The slope of capped logits cannot be told from their probabilities.
    keeps = torch.is_grad_enabled() and len(hidden) <= chunk and form.cap is None
    log_probs, entropy = _HeadLogProbs.apply(  # type: ignore[no-untyped-call]
        hidden,
        head.weight,
        head.bias,
        targets,
        _How(temperature, form, dtype, chunk, keeps=keeps, with_entropy=with_entropy),
    )
    return log_probs, entropy


@dataclass(frozen=True, slots=True)
class _How:
    """How log-probs are computed; ``dtype`` is that of the head's products."""

    temperature: float
    form: LogitForm
    dtype: torch.dtype
    chunk: int
    keeps: bool
    with_entropy: bool

    def logits(self, hidden: Tensor, head: tuple[Tensor, Tensor | None]) -> Tensor:
        """Return logits before the temperature, at least float32, in new memory, [N, V]."""
        weight, bias = head
        # The precision of the product is in the head's; autocast must not cast a second time.
        with torch.autocast(hidden.device.type, enabled=False):
            product = linear(hidden.to(weight.dtype), weight, bias)
        return self.form.apply_(product.to(torch.promote_types(product.dtype, torch.float32)))

    def tempered(self, logits: Tensor) -> Tensor:
        """Return the logits divided by the temperature, in their memory."""
        return logits if self.temperature == 1 else logits.div_(self.temperature)


class _HeadLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, how: _How
    ) -> tuple[Tensor, Tensor | None]:
        head = _cast_head(weight, bias, how.dtype)
        chunks = [
            _of_chunk(rows, head, row_targets, how)
            for rows, row_targets in zip(
                hidden.split(how.chunk), targets.split(how.chunk), strict=True
            )
        ]
        ctx.save_for_backward(hidden, weight, bias, targets)
        ctx.how, ctx.probs = how, chunks[0].probs if how.keeps else None
        log_probs = torch.cat([chunk.log_probs for chunk in chunks])
        if not how.with_entropy:
            return log_probs, None
        entropy = torch.cat([chunk.entropy for chunk in chunks if chunk.entropy is not None])
        ctx.mark_non_differentiable(entropy)
        return log_probs, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets = ctx.saved_tensors
        how: _How = ctx.how
        # The gradient takes the probabilities' memory; a second backward pass computes them again.
        kept, ctx.probs = ctx.probs, None
        head = _cast_head(weight, bias, how.dtype)
        needs_hidden, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        grad_hidden = torch.empty_like(hidden) if needs_hidden else None
        grad_weight = _zero_gradient(weight) if needs_weight else None
        grad_bias = _zero_gradient(bias) if needs_bias else None
        for start in range(0, len(hidden), how.chunk):
            part = slice(start, start + how.chunk)
            grad_product = _grad_product(
                kept, hidden[part], head, targets[part], grad[part, None], how
            )
            if grad_bias is not None:
                grad_bias += grad_product.sum(dim=0)
            grad_product = grad_product.to(how.dtype)
            if grad_hidden is not None:
                grad_hidden[part] = grad_product @ head[0]
            if grad_weight is not None:
                _add_product(grad_weight, grad_product, hidden[part].to(how.dtype))
            del grad_product  # before the next chunk of logits is made
        return grad_hidden, grad_weight, grad_bias, None, None


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Of a chunk's tokens; probabilities [N, V] if they are kept."""

    log_probs: Tensor
    entropy: Tensor | None
    probs: Tensor | None


def _of_chunk(
    hidden: Tensor, head: tuple[Tensor, Tensor | None], targets: Tensor, how: _How
) -> _Chunk:
    log_softmax = how.tempered(how.logits(hidden, head)).log_softmax(dim=-1)
    log_probs = log_softmax.gather(-1, targets[:, None]).squeeze(-1)
    probs = entropy = None
    if how.with_entropy:
        probs = log_softmax.exp()
        entropy = log_softmax.mul_(probs).sum(dim=-1).neg_()
    elif how.keeps:
        probs = log_softmax.exp_()
    return _Chunk(log_probs, entropy, probs if how.keeps else None)


def _cast_head(
    weight: Tensor, bias: Tensor | None, dtype: torch.dtype
) -> tuple[Tensor, Tensor | None]:
    return weight.to(dtype), None if bias is None else bias.to(dtype)


def _grad_product(
    probs: Tensor | None,
    hidden: Tensor,
    head: tuple[Tensor, Tensor | None],
    targets: Tensor,
    grad: Tensor,
    how: _How,
) -> Tensor:
    """Return the gradient of the head's product, in the memory of ``probs`` if they were kept.

    That of tempered logits z is ``grad * (one_hot - softmax(z))``, [N, V].
    """
    if probs is None:
        logits = how.logits(hidden, head)
        slope = how.form.slope(logits)
        probs = how.tempered(logits).softmax(dim=-1)
        del logits
    else:
        slope = how.form.slope(probs)  # a number, or none: it takes no logits
    grad = grad / how.temperature
    result = probs.mul_(-grad)
    result.scatter_add_(-1, targets[:, None], grad)
    return result if slope is None else result.mul_(slope)


def _zero_gradient(parameter: Tensor) -> Tensor:
    # Bfloat16 weights with gradients summed in float32 say so; only leaves have this attribute.
    dtype = parameter.grad_dtype if parameter.is_leaf else None
    return torch.zeros_like(parameter, dtype=dtype or parameter.dtype)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add ``left.T @ right`` to ``total`` without another matrix of its size."""
    if total.dtype == left.dtype:
        total.addmm_(left.T, right)
        return
    for part in range(0, len(total), _ROWS_PER_SUM):
        total[part : part + _ROWS_PER_SUM] += left[:, part : part + _ROWS_PER_SUM].T @ right
