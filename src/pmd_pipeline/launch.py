"""Whether this process runs alone or together with others, started by torchrun or on Ray.

The process of rank 0 is the driver: it runs Kedro. The others are training processes: they hold
shares of the policy and follow the driver's commands.
"""

import os
from dataclasses import dataclass

_VARIABLES = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "GROUP_RANK",
    "GROUP_WORLD_SIZE",
    "ROLE_RANK",
    "ROLE_NAME",
    "ROLE_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)
_PREFIX = "TORCHELASTIC_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """This process among those that were started together.

    Attributes:
        rank: From 0; 0 is the driver.
        world_size: How many processes there are.
        store_host, store_port: Address of the key-value store through which they meet.
        hosts_store: True if the driver has to open that store; otherwise torchrun has opened it.
        device_index: Which of the GPUs that this process sees is its own.
    """

    rank: int = 0
    world_size: int = 1
    store_host: str = ""
    store_port: int = 0
    hosts_store: bool = False
    device_index: int = 0


def take_launch() -> Launch:
    """Return how this process was started, and remove torchrun's variables from the environment.

    No library in this process and no process that it starts (grading, an engine) may mistake itself
    for one of those that train together. Further calls return the same.

    Raises:
        ValueError: If the processes were started on several machines, or a variable is missing.
    """
    global _launch
    if "WORLD_SIZE" in os.environ:
        _launch = _read(dict(os.environ))
        for name in list(os.environ):
            if name in _VARIABLES or name.startswith(_PREFIX):
                del os.environ[name]
    return _launch


def current_launch() -> Launch:
    """Return what :func:`take_launch` found; a process alone if it was not called."""
    return _launch


_launch = Launch()


def _read(environment: dict[str, str]) -> Launch:
    missing = [
        name
        for name in ("RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
        if name not in environment
    ]
    if missing:
        raise ValueError(
            f"WORLD_SIZE is set in the environment, but not {', '.join(missing)}: start the "
            "processes with torchrun --nproc-per-node N, or unset WORLD_SIZE"
        )
    world_size, local = int(environment["WORLD_SIZE"]), int(environment["LOCAL_WORLD_SIZE"])
    if world_size != local:
        raise ValueError(
            f"torchrun has started {world_size} processes, {local} of them on this machine; it "
            "starts them on one, without --nnodes. On several machines Ray does: compute.launch: "
            "ray, see docs/cluster.md"
        )
    store_of_torchrun = f"{_PREFIX}USE_AGENT_STORE"
    return Launch(
        rank=int(environment["RANK"]),
        world_size=world_size,
        store_host=environment["MASTER_ADDR"],
        store_port=int(environment["MASTER_PORT"]),
        hosts_store=environment.get(store_of_torchrun) != "True",
        device_index=int(environment["RANK"]),
    )
