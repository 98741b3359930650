"""What all of this room's actors share: their environment, and why they are lost."""

import os
import re
from collections.abc import Mapping

from pmd_pipeline.config.compute import ComputeConfig

# What decides bits besides the versions; nodes have their own environment, this is the run's.
_SENT_VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "MKL_CBWR",
    "NVIDIA_TF32_OVERRIDE",
)


def threads_of(compute: ComputeConfig) -> int:
    """Return the CPU threads of each training process: as with torchrun, one if nothing is said."""
    return compute.num_threads or int(os.environ.get("OMP_NUM_THREADS", "1"))


def actor_environment(bundle: Mapping[str, float], num_threads: int) -> dict[str, str]:
    """Return the variables of an actor's process.

    Args:
        bundle: What it reserves.
        num_threads: CPU threads of what it computes.
    """
    environment = {name: os.environ[name] for name in _SENT_VARIABLES if name in os.environ}
    environment["OMP_NUM_THREADS"] = str(num_threads)  # Ray's choice: the number of CPUs reserved
    if not bundle.get("GPU"):
        environment["CUDA_VISIBLE_DEVICES"] = ""  # Ray hides none of a node's from such a process
    return environment


def in_short(error: Exception) -> str:
    """Return what Ray says of a lost process without its ids and its advice."""
    text = " ".join(str(error).split())
    text = re.split("The actor (?:is dead|died) because ", text)[-1]
    text = text.partition(" Some common causes include")[0]
    return text.partition(" The task may or may not have been executed")[0]
