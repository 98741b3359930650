"""The processes that train together, seen from each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.distributed_c10d import PrefixStore, Store

from pmd_pipeline.launch import Launch
from pmd_pipeline.training.sharded.connections import Connections

# How long one process may wait for another within a command. A lost process is noticed at once;
# this is for one that hangs.
DEADLINE = timedelta(minutes=30)

# What gloo and NCCL say in the others when a process is lost.
_SIGNS_OF_LOSS = (
    "closed by peer",
    "reset by peer",
    "Broken pipe",
    "Timed out",
    "ncclRemoteError",
    "communicator was aborted",
)


def tells_of_loss(error: BaseException) -> bool:
    """Return whether an error says that another process is gone or does not answer."""
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS_OF_LOSS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """The others, and how to reach them; each method is called by all processes together.

    Attributes:
        rank: This process's number; 0 is the driver.
        size: How many there are.
        device: Where this process computes.
        mesh: All processes in a row, for sharding.
        objects: The group that carries Python objects, through the CPU.
        connections: Through which the CPU's collectives go.
    """

    rank: int
    size: int
    device: torch.device
    mesh: DeviceMesh
    objects: dist.ProcessGroup
    connections: Connections

    def any(self, flag: bool) -> bool:
        """Return whether ``flag`` is true in any process."""
        return bool(self.largest(int(flag)))

    def largest(self, number: int) -> int:
        """Return the largest ``number`` of all processes."""
        found = torch.tensor(number)
        dist.all_reduce(found, dist.ReduceOp.MAX, group=self.objects)
        return int(found)

    def scatter(self, arguments: Sequence[Any] | None) -> Any:
        """Return this process's item of the driver's ``arguments``, one per process."""
        received: list[Any] = [None]
        # The driver's own item is not sent, which would copy it.
        sent = None if arguments is None else [None, *arguments[1:]]
        dist.scatter_object_list(received, sent, src=0, group=self.objects)
        return received[0] if arguments is None else arguments[0]

    def gather(self, result: Any) -> list[Any]:
        """Return every process's ``result`` in the driver, nothing elsewhere."""
        if self.rank:
            dist.gather_object(result, dst=0, group=self.objects)
            return []
        results: list[Any] = [None] * self.size
        dist.gather_object(None, results, dst=0, group=self.objects)
        return [result, *results[1:]]


def meet(launch: Launch, store: Store, *, device_type: str) -> Peers:
    """Return the peers once all processes have called this.

    Args:
        launch: This process among them.
        store: Shared by all.
        device_type: ``"cuda"``: each takes the GPU of its launch; or ``"cpu"``.
    """
    device = torch.device(device_type)
    if device_type == "cuda":
        device = torch.device("cuda", launch.device_index)
        torch.cuda.set_device(device)
    connections = Connections()
    with connections.opened_here():
        dist.init_process_group(
            "nccl" if device_type == "cuda" else "gloo",
            store=PrefixStore("training", store),
            rank=launch.rank,
            world_size=launch.world_size,
            timeout=DEADLINE,
        )
        objects = dist.new_group(backend="gloo", timeout=DEADLINE)
    return Peers(
        rank=launch.rank,
        size=launch.world_size,
        device=device,
        mesh=init_device_mesh(device_type, (launch.world_size,)),
        objects=objects,
        connections=connections,
    )
