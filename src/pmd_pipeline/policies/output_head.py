"""Log-probs and entropies through the output head, a chunk of tokens at a time.

A custom autograd function. Its forward pass keeps one number per token beside its inputs; its
backward pass recomputes the logits of each chunk and adds the chunk's part to a single gradient of
the head's weights. Alternatives that were considered:

- ``torch.utils.checkpoint`` around each chunk also discards the logits, but autograd then makes a
  gradient as large as the head for every chunk and adds them up, and it keeps several copies of a
  chunk, because nothing is done in place.
- Liger's fused kernels use Triton: none of them runs on a CPU. Its fused linear cross-entropy has
  neither an entropy nor a gradient for a weight per token, which every loss here needs.
"""

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
    logits_per_chunk: int = LOGITS_PER_CHUNK,
) -> tuple[Tensor, Tensor]:
    """Return the log-prob of each target and the entropy of its distribution.

    Under autocast the head's products have autocast's precision, like any linear layer's. From the
    logits on, everything is float32 (float64 for a float64 head): in bfloat16 the differences
    between policies would be lost.

    Args:
        head: A linear layer, with or without bias.
        hidden: The head's input, [N, H].
        targets: Token ids, [N].
        temperature: Divides the logits.
        form: What makes logits of the head's product; its factor of the hidden states is not used.
        logits_per_chunk: Most logits in memory at once, but at least those of one token.

    Returns:
        Log-probs, nats, [N], and entropies, nats, no gradient, [N].

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
    log_probs, entropy = _HeadLogProbs.apply(  # type: ignore[no-untyped-call]
        hidden, head.weight, head.bias, targets, temperature, form, dtype, chunk
    )
    return log_probs, entropy


class _HeadLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        temperature: float,
        form: LogitForm,
        dtype: torch.dtype,
        chunk: int,
    ) -> tuple[Tensor, Tensor]:
        head = _cast_head(weight, bias, dtype)
        log_probs, entropies, normalisers = [], [], []
        for rows, row_targets in zip(hidden.split(chunk), targets.split(chunk), strict=True):
            logits = _logits(rows, head, form).div_(temperature)
            normaliser = logits.logsumexp(dim=-1, keepdim=True)
            log_softmax = logits.sub_(normaliser)
            log_probs.append(log_softmax.gather(-1, row_targets[:, None]).squeeze(-1))
            entropies.append(log_softmax.exp().mul_(log_softmax).sum(dim=-1).neg_())
            normalisers.append(normaliser)
        ctx.save_for_backward(hidden, weight, bias, targets, torch.cat(normalisers))
        ctx.temperature, ctx.form, ctx.dtype, ctx.chunk = temperature, form, dtype, chunk
        entropy = torch.cat(entropies)
        ctx.mark_non_differentiable(entropy)
        return torch.cat(log_probs), entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets, normalisers = ctx.saved_tensors
        head = _cast_head(weight, bias, ctx.dtype)
        needs_hidden, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        grad_hidden = torch.empty_like(hidden) if needs_hidden else None
        grad_weight = _zero_gradient(weight) if needs_weight else None
        grad_bias = _zero_gradient(bias) if needs_bias else None
        for start in range(0, len(hidden), ctx.chunk):
            part = slice(start, start + ctx.chunk)
            grad_product = _grad_product(
                _logits(hidden[part], head, ctx.form),
                normalisers[part],
                targets[part],
                grad[part, None],
                temperature=ctx.temperature,
                form=ctx.form,
            )
            if grad_bias is not None:
                grad_bias += grad_product.sum(dim=0)
            grad_product = grad_product.to(ctx.dtype)
            if grad_hidden is not None:
                grad_hidden[part] = grad_product @ head[0]
            if grad_weight is not None:
                _add_product(grad_weight, grad_product, hidden[part].to(ctx.dtype))
        return grad_hidden, grad_weight, grad_bias, None, None, None, None, None


def _cast_head(
    weight: Tensor, bias: Tensor | None, dtype: torch.dtype
) -> tuple[Tensor, Tensor | None]:
    return weight.to(dtype), None if bias is None else bias.to(dtype)


def _logits(hidden: Tensor, head: tuple[Tensor, Tensor | None], form: LogitForm) -> Tensor:
    """Return logits, at least float32, in new memory, [N, V]."""
    weight, bias = head
    # The precision of the product is in the head's; autocast must not cast a second time.
    with torch.autocast(hidden.device.type, enabled=False):
        product = linear(hidden.to(weight.dtype), weight, bias)
    return form.apply_(product.to(torch.promote_types(product.dtype, torch.float32)))


def _grad_product(
    logits: Tensor,
    normalisers: Tensor,
    targets: Tensor,
    grad: Tensor,
    *,
    temperature: float,
    form: LogitForm,
) -> Tensor:
    """Return the gradient of the head's product, in the memory of ``logits``, [N, V].

    With z the logits and T the temperature, that of z is ``grad / T * (one_hot - softmax(z / T))``.
    """
    slope = form.slope(logits)
    grad = grad / temperature
    result = logits.div_(temperature).sub_(normalisers).exp_().mul_(-grad)
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
