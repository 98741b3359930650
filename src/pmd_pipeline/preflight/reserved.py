"""What an engine sets aside on each GPU: enough for itself, and not what the trainer needs."""

from pmd_pipeline.preflight.findings import MEMORY_SECTION, Finding, shown_size
from pmd_pipeline.preflight.memory import TrainerMemory
from pmd_pipeline.preflight.sampler import SamplerMemory, SamplerPlan


def reserved_findings(
    trainer: TrainerMemory,
    sampler: SamplerMemory,
    engine: SamplerPlan,
    *,
    device_bytes: int,
    at_once: bool = False,
) -> list[Finding]:
    """Return whether the engine's part of a GPU can hold its weights and one full-length sequence,
    and whether it fits beside what the trainer has there meanwhile.

    Args:
        trainer: On each GPU.
        sampler: On each GPU.
        engine: What samples.
        device_bytes: Of each GPU.
        at_once: Whether the trainer updates while the engine samples.
    """
    reserved = sampler.reserved(engine, device_bytes=device_bytes)
    suffices = reserved >= sampler.least
    beside = trainer.peak if at_once else trainer.resident
    fits = beside + reserved <= device_bytes
    room = max(0, device_bytes - beside) / device_bytes
    return [
        Finding(
            section=MEMORY_SECTION,
            subject="sampler: set aside",
            value=f"{shown_size(reserved)}; weights and one sequence of full length take "
            f"{shown_size(sampler.least)}",
            verdict="ok" if suffices else "failure",
            remedy=""
            if suffices
            else "raise rollout_engine.options.gpu_memory_utilization (or kv_cache_gib), or "
            "tensor_parallel_size",
        ),
        Finding(
            section=MEMORY_SECTION,
            subject=f"peak while sampling{' and updating' if at_once else ''}",
            value=f"{shown_size(beside + reserved)} of {shown_size(device_bytes)}",
            verdict="ok" if fits else "failure",
            remedy=""
            if fits
            else "lower rollout_engine.options.gpu_memory_utilization: the trainer leaves room for "
            f"{room:.2f}; or more GPUs, each of which holds less of the trainer",
        ),
    ]
