"""Samplers on a Ray cluster: what each takes on its node, and what the weights' way there takes."""

from pmd_pipeline.preflight.findings import Finding, Verdict, shown_size
from pmd_pipeline.preflight.hardware import Hardware
from pmd_pipeline.preflight.sampler import SamplerMemory, SamplerPlan, SamplersElsewhere

SECTION = "Samplers on Ray, estimated"
_BYTES_PER_GBIT = 1e9 / 8


def elsewhere_findings(
    sampler: SamplerMemory,
    engine: SamplerPlan,
    samplers: SamplersElsewhere,
    *,
    shipped_bytes: int,
    hardware: Hardware,
) -> list[Finding]:
    """Return the memory of each sampler, the object store's, and the time of a change of weights.

    Args:
        sampler: On each of a sampler's devices.
        engine: What each hosts.
        samplers: How many, and where.
        shipped_bytes: Weights that each node with samplers gets after a round.
        hardware: The trainer's; a sampler's GPUs are taken to be of the same kind.
    """
    num_gpus = engine.tensor_parallel_size if hardware.is_gpu else 0
    reserved = f"{num_gpus} GPU, " * bool(num_gpus) + "a CPU for each thread"
    if samplers.resources is not None:
        reserved = ", ".join(f"{number:g} {name}" for name, number in samplers.resources.items())
        num_gpus = int(samplers.resources.get("GPU", 0))
    return [
        _note("samplers", f"{samplers.num_samplers} wanted; each reserves {reserved}"),
        _memory(sampler, engine, hardware.memory_bytes if num_gpus else None),
        _note(
            "object store",
            f"{shown_size(shipped_bytes)} of weights in that of the run's node, and in that of "
            "each node "
            "with samplers while they load them, where as much is needed in /dev/shm too; it has a "
            "third of a node's memory unless Ray is told otherwise, and what is more goes to disk",
        ),
        _note("change of weights", _transfer(shipped_bytes, samplers)),
    ]


def _memory(sampler: SamplerMemory, engine: SamplerPlan, gpu_bytes: int | None) -> Finding:
    subject = "memory of each"
    if gpu_bytes is None:  # other nodes' memory is not known here
        cache = (
            f"up to {shown_size(sampler.cache)} of keys and values "
            f"({engine.batch_size} responses of full "
            "length)"
            if engine.batch_size is not None
            else f"{shown_size(sampler.cache_per_sequence)} of keys and values at least"
        )
        return _note(subject, f"{shown_size(sampler.weights)} of weights, {cache}, on its node")
    if engine.has_own_weights:
        needed, room = sampler.least, sampler.reserved(engine, device_bytes=gpu_bytes)
        value = (
            f"{shown_size(room)} set aside; weights and one sequence of full length take "
            f"{shown_size(needed)}"
        )
        remedy = (
            "raise rollout_engine.options.engine.gpu_memory_utilization (or kv_cache_gib), or "
            "tensor_parallel_size"
        )
        return _checked(subject, value, "ok" if room >= needed else "failure", remedy)
    value = f"{shown_size(sampler.least)} to {shown_size(sampler.most)} of {shown_size(gpu_bytes)}"
    verdict: Verdict = "ok" if sampler.most <= gpu_bytes else "warning"
    if sampler.least > gpu_bytes:
        verdict = "failure"
    remedy = (
        f"lower rollout_engine.options.engine.max_batch_size (now {engine.batch_size}), or "
        "engine: {backend: vllm}, whose cache grows with the text"
    )
    return _checked(subject, value, verdict, remedy)


def transfer_seconds(shipped_bytes: int, samplers: SamplersElsewhere) -> float | None:
    """Return how long the weights take to one node; None if no bandwidth is stated."""
    gbit = samplers.bandwidth_gbit_per_second
    return None if gbit is None else shipped_bytes / (gbit * _BYTES_PER_GBIT)


def _transfer(shipped_bytes: int, samplers: SamplersElsewhere) -> str:
    gbit = samplers.bandwidth_gbit_per_second
    seconds = transfer_seconds(shipped_bytes, samplers)
    if seconds is None:
        return "state rollout_engine.options.bandwidth_gbit_per_second to have its time estimated"
    once = f"{shown_size(shipped_bytes)} once to each node: {seconds:,.2g} s at {gbit:g} Gbit/s"
    if samplers.num_samplers == 1:
        return once
    last = samplers.num_samplers * seconds
    return (
        f"{once} for one node, at most {last:,.2g} s for {samplers.num_samplers} after each other"
    )


def _checked(subject: str, value: str, verdict: Verdict, remedy: str) -> Finding:
    return Finding(
        section=SECTION,
        subject=subject,
        value=value,
        verdict=verdict,
        remedy="" if verdict == "ok" else remedy,
    )


def _note(subject: str, value: str) -> Finding:
    return Finding(section=SECTION, subject=subject, value=value)
