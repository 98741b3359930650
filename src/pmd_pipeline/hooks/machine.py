"""What the last digits of results depend on beside parameters and data.

A sum is rounded in the order in which a processor's instructions add it up, and libraries choose
the order by processor, threads and version. On one kind of processor with the same libraries and
threads a run repeats to the byte; on another it is as right, but not the same.
"""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pmd_pipeline.config.compute import ComputeConfig

_LIBRARIES = ("torch", "transformers", "numpy", "pandas", "tokenizers")
_CPU_INFO = Path("/proc/cpuinfo")
# What torch asks for before it computes with so wide instructions.
_CAPABILITIES = (
    ("AVX512", {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma"}),
    ("AVX2", {"avx2", "fma"}),
)


def machine_facts(compute: ComputeConfig, *, cpu_info: Path = _CPU_INFO) -> dict[str, str]:
    """Return what this machine's last digits depend on, by name; imports no library for it.

    Args:
        compute: Says how many threads, if anything does.
        cpu_info: The system's description of its processors; it need not exist.
    """
    info = _first_processor(cpu_info)
    threads = compute.num_threads
    facts = {
        "processor": " ".join([platform.machine(), info.get("vendor_id", "")]).strip(),
        "instructions": os.environ.get("ATEN_CPU_CAPABILITY") or _capability(info),
        "threads": f"{threads}" if threads else f"as many as fit {os.cpu_count()} cores",
        "python": platform.python_version(),
    }
    return facts | {name: _version(name) for name in _LIBRARIES}


def differences(former: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return in words what differs: ``torch 2.13.0, before 2.12.1``; nothing without ``former``."""
    if not former:
        return []
    return [
        f"{name} {value}, before {former.get(name, 'unknown')}"
        for name, value in now.items()
        if former.get(name) != value
    ]


def _first_processor(cpu_info: Path) -> dict[str, str]:
    try:
        text = cpu_info.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def _capability(info: Mapping[str, str]) -> str:
    flags = set(info.get("flags", "").split())
    return next((name for name, needed in _CAPABILITIES if needed <= flags), "default")


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
