"""Built-in throughputs, for a first idea of a run's time where nobody has measured it."""

import math
from dataclasses import dataclass, replace

from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.preflight.hardware import Hardware
from pmd_pipeline.preflight.sampler import SamplerPlan
from pmd_pipeline.preflight.shape import ModelShape
from pmd_pipeline.preflight.work_findings import SECTION
from pmd_pipeline.preflight.workload import Assumptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one device has done.

    Attributes:
        num_parameters: Of the model, those that a token uses.
        sampling: Response tokens per second.
        training: Prompt and response tokens per second, forward and backward.
    """

    num_parameters: float
    sampling: float
    training: float


# The embedded default on one thread, and SmolLM2-135M on two with GSM8K (docs/smollm2.md), whose
# training includes log-probs around the updates: both with the transformers engine.
_CPU = (
    Measured(num_parameters=85_504, sampling=38_000, training=40_000),
    Measured(num_parameters=134_515_008, sampling=140, training=75),
)
# Not measured: what is usual of a 7B model in bfloat16 on a GPU with 80 GiB, sampled by vLLM.
_GPU = (Measured(num_parameters=7.6e9, sampling=2_500, training=6_000),)
# Of a GPU: without vLLM's kernels and its batches that never wait for the longest response.
_TRANSFORMERS_SHARE = 0.1
# Smaller models leave most of a GPU idle: no model is taken to be faster than one of this size.
_SMALLEST_ON_GPU = 5e8

_SOURCE = (
    "from a built-in table, not measured on this machine: true times may be a third or three "
    "times as long; state --tokens-per-second-sampling and --tokens-per-second-training"
)


def with_built_in(
    known: Assumptions, shape: ModelShape | None, engine: SamplerPlan | None, hardware: Hardware
) -> tuple[Assumptions, bool]:
    """Fill in the throughputs that are not stated; return also whether any was.

    Args:
        known: What the user has stated.
        shape: Of the model; None if it is not known, and then nothing is filled in.
        engine: What samples.
        hardware: What the run computes on.
    """
    stated = known.sampling_tokens_per_second, known.training_tokens_per_second
    if shape is None or None not in stated:
        return known, False
    num_parameters = float(shape.num_active_parameters)
    if hardware.is_gpu:
        typical = _at(_GPU, max(num_parameters, _SMALLEST_ON_GPU))
        if engine is not None and not engine.has_own_weights:
            typical = replace(typical, sampling=typical.sampling * _TRANSFORMERS_SHARE)
    else:
        typical = _at(_CPU, num_parameters)
    return replace(
        known,
        sampling_tokens_per_second=stated[0] or typical.sampling,
        training_tokens_per_second=stated[1] or typical.training,
    ), True


def built_in_finding(known: Assumptions, hardware: Hardware) -> Finding:
    """Return the line that says which throughputs the times rest on, and where they are from."""
    sampling, training = known.sampling_tokens_per_second, known.training_tokens_per_second
    each = "each GPU" if hardware.is_gpu else "this machine"
    speeds = f"{sampling:,.0f} tokens/s sampled and {training:,.0f} trained on by {each}"
    return Finding(
        section=SECTION,
        subject="throughput",
        value=f"{speeds}, {_SOURCE}",
    )


def _at(table: tuple[Measured, ...], num_parameters: float) -> Measured:
    """Return the throughputs of a size: between two of the table on a line of logarithms.

    Beyond its ends a token costs in proportion to the parameters, but for models below the
    smallest, whose time goes into calls.
    """
    first, last = table[0], table[-1]
    if num_parameters >= last.num_parameters or len(table) == 1:
        factor = last.num_parameters / num_parameters
        return replace(last, sampling=last.sampling * factor, training=last.training * factor)
    if num_parameters <= first.num_parameters:
        return first
    share = math.log(num_parameters / first.num_parameters) / math.log(
        last.num_parameters / first.num_parameters
    )
    return Measured(
        num_parameters=num_parameters,
        sampling=first.sampling * (last.sampling / first.sampling) ** share,
        training=first.training * (last.training / first.training) ** share,
    )
