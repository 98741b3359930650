"""The devices that a run will find, or those that it is planned for."""

import os
import runpy
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.preflight.findings import Finding, Verdict, shown_size

SECTION = "Hardware"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDevices:
    """GPUs of another machine than this one.

    Attributes:
        num_gpus: How many; None: one for each process started together, or one.
        memory_bytes: Of each; None: the same as here.
    """

    num_gpus: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """The devices that the plan is for.

    Attributes:
        is_gpu: False if the run computes on the CPU.
        num_devices: GPUs that share the trainer's state and the work; without GPUs the processes
            that train on a Ray cluster, or 1.
        memory_bytes: Of each device; None if unknown.
        num_spare: GPUs of this machine that no training process uses, or how many more processes
            with as many threads its cores have room for.
    """

    is_gpu: bool
    num_devices: int
    memory_bytes: int | None
    num_spare: int = 0


def look_at_hardware(
    compute: ComputeConfig, planned: PlannedDevices, *, num_processes: int
) -> tuple[Hardware, list[Finding]]:
    """Return the devices of the plan and whether a run can have them.

    Args:
        compute: Where and how the run computes.
        planned: GPUs to plan for.
        num_processes: How many train together, each on a GPU.
    """
    is_planned = planned.num_gpus is not None or planned.memory_bytes is not None
    present = _present_gpus()
    num_present = len(present)
    wants_gpu = compute.device == "cuda" or (compute.device == "auto" and num_present > 0)
    if not wants_gpu and not (is_planned and compute.device == "auto"):
        memory = psutil.virtual_memory().available
        num_devices = num_processes if compute.launch == "ray" else 1
        num_threads = compute.num_threads or os.cpu_count() or 1
        hardware = Hardware(
            is_gpu=False,
            num_devices=num_devices,
            memory_bytes=memory,
            num_spare=max(0, (os.cpu_count() or 1) // num_threads - num_processes),
        )
        return hardware, [_finding("CPU", f"{shown_size(memory)} free", "ok")]
    present_memory = min((gpu.memory_bytes for gpu in present), default=None)
    hardware = Hardware(
        is_gpu=True,
        num_devices=planned.num_gpus or num_processes,
        memory_bytes=planned.memory_bytes or present_memory,
        num_spare=0
        if is_planned or compute.launch == "ray"
        else max(0, num_present - num_processes),
    )
    size = "unknown size" if hardware.memory_bytes is None else shown_size(hardware.memory_bytes)
    shown = f"{hardware.num_devices} x {size}"
    if is_planned:
        return hardware, [_finding("GPUs", f"{shown}, planned: not checked here", "note")]
    if num_present:
        found = f"{shown} ({present[0].name})"
        if num_present <= hardware.num_devices or compute.launch == "ray":
            return hardware, [_finding("GPUs", found, "ok")]
        remedy = (
            f"a run uses one GPU for each process: start {num_present} together with torchrun, "
            f"or plan for them with --num-gpus {num_present}"
        )
        return hardware, [_finding("GPUs", f"{found}, {num_present} available", "warning", remedy)]
    build = _torch_build()
    without = "" if build.knows_gpus else f"; torch {build.version} is built without CUDA"
    finding = _finding(
        "GPUs",
        f"none found{without}",
        "failure",
        "run on a machine with a CUDA device and torch's CUDA build (compute.device is 'cuda'), or "
        "plan for one with --num-gpus and --gpu-memory-gib",
    )
    return hardware, [finding]


@dataclass(frozen=True, slots=True)
class _Gpu:
    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class _TorchBuild:
    version: str
    knows_gpus: bool


def _torch_build() -> _TorchBuild:
    """Return what the file says in which torch records how it was built; torch takes seconds."""
    package = find_spec("torch")
    assert package is not None
    assert package.origin is not None
    recorded = runpy.run_path(str(Path(package.origin).with_name("version.py")))
    # AMD's GPUs answer to torch.cuda as well.
    knows_gpus = bool(recorded["cuda"] or recorded["hip"])
    return _TorchBuild(version=recorded["__version__"], knows_gpus=knows_gpus)


def _present_gpus() -> list[_Gpu]:
    # Imported, torch knows best; a build without GPUs need not be imported to be asked.
    if "torch" not in sys.modules and not _torch_build().knows_gpus:
        return []
    from torch import cuda

    if not cuda.is_available():
        return []
    return [
        _Gpu(cuda.get_device_name(index), cuda.get_device_properties(index).total_memory)
        for index in range(cuda.device_count())
    ]


def _finding(subject: str, value: str, verdict: Verdict, remedy: str = "") -> Finding:
    return Finding(
        section=SECTION,
        subject=subject,
        value=value,
        verdict=verdict,
        remedy=remedy,
    )
