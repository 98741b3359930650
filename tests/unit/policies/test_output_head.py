"""Log-probs through the head by chunks, against all logits at once; and the memory they take."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate

import pytest
import torch
from helpers import PROJECT
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from pmd_pipeline.policies.logit_form import LogitForm
from pmd_pipeline.policies.output_head import head_log_probs

NUM_TOKENS, HIDDEN, VOCABULARY = 23, 8, 50
# 5 chunks, the last of them short.
LOGITS_PER_CHUNK = 5 * VOCABULARY


def test_derivatives_agree_with_finite_differences() -> None:
    head, hidden, targets = _inputs(bias=True, dtype=torch.float64)

    def log_probs(hidden: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        module = nn.ModuleDict({"head": head})
        module.forward = lambda rows: _own(module["head"], rows, targets[:3], VOCABULARY)[0]
        parameters = {"head.weight": weight, "head.bias": bias}
        return torch.func.functional_call(module, parameters, (hidden,))

    rows = hidden.detach()[:3].requires_grad_()
    assert torch.autograd.gradcheck(log_probs, (rows, head.weight, head.bias), fast_mode=True)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("logits_per_chunk", [1, LOGITS_PER_CHUNK, 10**9])
def test_values_and_gradients_are_those_of_all_logits_at_once(
    bias: bool, logits_per_chunk: int
) -> None:
    head, hidden, targets = _inputs(bias=bias)
    found = _gradients(head, hidden, _own(head, hidden, targets, logits_per_chunk))
    exact_head, exact_hidden = _to_double(head, hidden)
    expected = _gradients(exact_head, exact_hidden, _naive(exact_head, exact_hidden, targets))
    assert len(found) == len(expected) == (5 if bias else 4)
    for ours, exact in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "form",
    [
        LogitForm(scale=0.25),
        LogitForm(cap=1.0),
        LogitForm(cap=3.0, scale=2.0),
    ],
    ids=["scaled", "capped at 1", "both"],
)
@pytest.mark.parametrize("logits_per_chunk", [LOGITS_PER_CHUNK, 10**9])
def test_scaled_and_capped_logits_have_their_exact_values_and_gradients(
    form: LogitForm, logits_per_chunk: int
) -> None:
    head, hidden, targets = _inputs(bias=True)

    class Transformed(nn.Linear):
        def forward(self, rows: Tensor) -> Tensor:
            logits = super().forward(rows) * form.scale
            return logits if form.cap is None else form.cap * (logits / form.cap).tanh()

    ours = head_log_probs(
        head,
        hidden,
        targets,
        temperature=0.7,
        form=form,
        with_entropy=True,
        logits_per_chunk=logits_per_chunk,
    )
    found = _gradients(head, hidden, ours)
    exact_head = Transformed(HIDDEN, VOCABULARY, dtype=torch.float64)
    exact_head.load_state_dict(head.state_dict())
    exact_hidden = hidden.detach().double().requires_grad_()
    naive = _naive(exact_head, exact_hidden, targets)
    expected = _gradients(exact_head, exact_hidden, naive)
    for a, exact in zip(found, expected, strict=True):
        torch.testing.assert_close(a.double(), exact, rtol=1e-5, atol=1e-5)


def test_under_autocast_values_and_gradients_are_those_of_an_autocast_head() -> None:
    head, hidden, targets = _inputs(bias=True)
    with torch.autocast("cpu", torch.bfloat16):
        ours = _own(head, hidden, targets, LOGITS_PER_CHUNK)
        naive = _naive(head, hidden, targets)
    assert ours[0].dtype == torch.float32
    found, expected = _gradients(head, hidden, ours), _gradients(head, hidden, naive)
    for a, b in zip(found[:2], expected[:2], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
    for a, b in zip(found[2:], expected[2:], strict=True):
        assert a.dtype == torch.float32
        # The naive gradient is rounded to bfloat16, ours once per chunk: 8 bits of mantissa.
        torch.testing.assert_close(a, b, rtol=2**-7, atol=2**-7 * float(b.abs().max()))


def test_a_bfloat16_head_can_gather_its_gradient_in_float32() -> None:
    head, hidden, targets = _inputs(bias=False, dtype=torch.bfloat16)
    head.weight.grad_dtype = torch.float32
    log_probs, _ = _own(head, hidden, targets, VOCABULARY)  # a chunk per token
    log_probs.sum().backward()
    exact_head, exact_hidden = _to_double(head, hidden)
    _naive(exact_head, exact_hidden, targets)[0].sum().backward()
    expected = exact_head.weight.grad
    assert head.weight.grad.dtype == torch.float32
    error = (head.weight.grad - expected).norm() / expected.norm()
    assert error < 2**-8  # of single products; a sum of 23 in bfloat16 would add its own


def test_a_frozen_head_gets_no_gradient() -> None:
    head, hidden, targets = _inputs(bias=True)
    expected = _gradients(head, hidden, _own(head, hidden, targets, LOGITS_PER_CHUNK))[2]
    head.zero_grad(set_to_none=True)
    head.requires_grad_(False)
    hidden.grad = None
    _weighted(_own(head, hidden, targets, LOGITS_PER_CHUNK)[0]).backward()
    assert torch.equal(hidden.grad, expected)
    assert head.weight.grad is None
    assert head.bias.grad is None


def test_a_head_that_is_not_linear_is_refused() -> None:
    with pytest.raises(ValueError, match="output head is a Sequential, not a linear layer"):
        head_log_probs(nn.Sequential(), torch.zeros(1, 2), torch.zeros(1), temperature=1.0)


@pytest.mark.parametrize("bfloat16", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("num_chunks", [1, 13])
def test_the_peak_is_the_gradients_and_two_chunks_of_logits(
    bfloat16: bool, num_chunks: int
) -> None:
    """By the allocator's own book; all logits at once take three times [tokens, vocabulary]."""
    head, hidden = nn.Linear(16, 2000, bias=False), torch.randn(256, 16, requires_grad=True)
    targets = torch.randint(2000, (256,))
    chunk = -(-256 // num_chunks)
    peaks = []
    for log_probs in (_naive, functools.partial(_own, logits_per_chunk=chunk * 2000)):
        head.weight.grad = hidden.grad = None
        with _allocations() as sizes, torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            _weighted(log_probs(head, hidden, targets)[0]).backward()
        peaks.append(max(accumulate(sizes)))
    gradients = 4 * (2000 + 256) * 16
    two_chunks = 2 * 4 * chunk * 2000
    bfloat16_copies = 2 * (chunk + 16) * 2000 if bfloat16 else 0  # of the chunk and of the head
    assert peaks[1] <= 1.1 * (gradients + two_chunks + bfloat16_copies)
    assert peaks[0] >= 3 * 4 * 256 * 2000


def test_logits_are_computed_once_where_all_fit_into_a_chunk() -> None:
    """More chunks than one cost a second product of hidden states and head."""
    head, hidden, targets = _inputs(bias=False)
    num_operations = []
    for logits_per_chunk in (10**9, LOGITS_PER_CHUNK):
        with FlopCounterMode(display=False) as counter:
            _weighted(_own(head, hidden, targets, logits_per_chunk)[0]).backward()
        num_operations.append(counter.get_total_flops())
    one_product = 2 * NUM_TOKENS * HIDDEN * VOCABULARY
    assert num_operations[1] - num_operations[0] == one_product


def test_what_is_kept_serves_one_backward_pass_and_another_gets_the_same() -> None:
    head, hidden, targets = _inputs(bias=True)
    log_probs, _ = _own(head, hidden, targets, 10**9)
    first, second = (
        torch.autograd.grad(_weighted(log_probs), [hidden, head.weight], retain_graph=True)
        for _ in range(2)
    )
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_without_entropy_the_log_probs_are_the_same_and_no_pass_is_made_for_it() -> None:
    head, hidden, targets = _inputs(bias=True)
    expected, _ = _own(head, hidden, targets, LOGITS_PER_CHUNK)
    with torch.no_grad():
        found, entropy = head_log_probs(
            head, hidden, targets, temperature=0.7, logits_per_chunk=LOGITS_PER_CHUNK
        )
    assert entropy is None
    assert torch.equal(found, expected)


@pytest.mark.slow
def test_the_peak_at_the_vocabulary_of_qwen_is_at_most_a_quarter_of_three_times_all_logits() -> (
    None
):
    """What the passes add to the memory of a process, measured by the benchmark."""
    script = PROJECT / "benchmarks" / "log_prob_memory.py"
    sizes = ("--num-tokens=2048", "--vocabulary-size=151936", "--hidden-size=8")
    how = ("--json", "--device=cpu", "--num-threads=1", "--ways=own")
    output = subprocess.run(
        [sys.executable, script, *sizes, *how],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT / "src")},
    ).stdout
    # The naive way takes three times all logits: the test above.
    assert json.loads(output)["own"]["peak_bytes"] < 3 * 4 * 2048 * 151_936 / 4


@contextmanager
def _allocations() -> Iterator[list[int]]:
    """Give the bytes that torch's allocator takes (above 0) and frees (below), once it is over."""
    sizes: list[int] = []
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        yield sizes
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    sizes += [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]


def _inputs(*, bias: bool, dtype: torch.dtype = torch.float32) -> tuple[nn.Linear, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    head = nn.Linear(HIDDEN, VOCABULARY, bias=bias, dtype=dtype)
    for parameter in head.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator).to(dtype)
    hidden = torch.randn(NUM_TOKENS, HIDDEN, generator=generator).to(dtype).requires_grad_()
    return head, hidden, torch.randint(VOCABULARY, (NUM_TOKENS,), generator=generator)


def _to_double(head: nn.Linear, hidden: Tensor) -> tuple[nn.Linear, Tensor]:
    exact = nn.Linear(HIDDEN, VOCABULARY, bias=head.bias is not None, dtype=torch.float64)
    exact.load_state_dict(head.state_dict())
    return exact, hidden.detach().double().requires_grad_()


def _own(
    head: nn.Module, hidden: Tensor, targets: Tensor, logits_per_chunk: int
) -> tuple[Tensor, Tensor]:
    log_probs, entropy = head_log_probs(
        head,
        hidden,
        targets,
        temperature=0.7,
        with_entropy=True,
        logits_per_chunk=logits_per_chunk,
    )
    assert entropy is not None
    return log_probs, entropy


def _naive(head: nn.Module, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    logits = head(hidden)
    log_softmax = (logits.to(torch.promote_types(logits.dtype, torch.float32)) / 0.7).log_softmax(
        -1
    )
    entropy = -(log_softmax.exp() * log_softmax).sum(-1).detach()
    return log_softmax.gather(-1, targets[:, None])[:, 0], entropy


def _weighted(log_probs: Tensor) -> Tensor:
    """Return a loss that weighs every token otherwise, as a policy's does."""
    return (log_probs * torch.linspace(-1, 2, len(log_probs))).sum()


def _gradients(head: nn.Linear, hidden: Tensor, values: tuple[Tensor, Tensor]) -> list[Tensor]:
    """Return log-probs, entropies, and the gradients of hidden states, weights and bias."""
    head.zero_grad(set_to_none=True)
    hidden.grad = None
    _weighted(values[0]).backward()
    return [values[0].detach(), values[1], hidden.grad, *(p.grad for p in head.parameters())]
