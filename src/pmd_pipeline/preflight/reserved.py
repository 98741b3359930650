"""What an engine sets aside on each GPU: enough for itself, and not what the trainer needs."""

from pmd_pipeline.preflight.findings import Finding
from pmd_pipeline.preflight.memory import TrainerMemory
from pmd_pipeline.preflight.sampler import SamplerMemory, SamplerPlan

_SECTION = "Memory of each device, estimated"


def reserved_findings(
    trainer: TrainerMemory, sampler: SamplerMemory, engine: SamplerPlan, *, device_bytes: int
) -> list[Finding]:
    """Return whether the engine's part of a GPU holds its weights and one sequence of full length,
    and whether it fits beside what the trainer keeps while the engine samples.
    """
    reserved = sampler.reserved(engine, device_bytes=device_bytes)
    suffices = reserved >= sampler.least
    fits = trainer.resident + reserved <= device_bytes
    room = max(0, device_bytes - trainer.resident) / device_bytes
    return [
        Finding(
            section=_SECTION,
            subject="sampler: set aside",
            value=f"{_gib(reserved)}; weights and one sequence of full length take "
            f"{_gib(sampler.least)}",
            verdict="ok" if suffices else "failure",
            remedy=""
            if suffices
            else "raise rollout_engine.options.gpu_memory_utilization (or kv_cache_gib), or "
            "tensor_parallel_size",
        ),
        Finding(
            section=_SECTION,
            subject="peak while sampling",
            value=f"{_gib(trainer.resident + reserved)} of {_gib(device_bytes)}",
            verdict="ok" if fits else "failure",
            remedy=""
            if fits
            else "lower rollout_engine.options.gpu_memory_utilization: the trainer leaves room for "
            f"{room:.2f}; or more GPUs, each of which holds less of the trainer",
        ),
    ]


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:,.1f} GiB"
