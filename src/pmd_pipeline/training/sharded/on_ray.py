"""Training processes on the nodes of a Ray cluster; the driver is rank 0, as with torchrun."""

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import replace

import torch

from pmd_pipeline.cluster import session
from pmd_pipeline.cluster.actors import threads_of
from pmd_pipeline.cluster.errors import ClusterError
from pmd_pipeline.cluster.facts import check_same, own_facts
from pmd_pipeline.cluster.network import use_interface_of
from pmd_pipeline.cluster.processes import Place, ProcessGroup
from pmd_pipeline.config.cluster import ClusterConfig
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.launch import Launch
from pmd_pipeline.policies.policy import resolve_device
from pmd_pipeline.training.sharded.worker import serve

_logger = logging.getLogger(__name__)

# How long Ray may take to say why a process is gone: a killed one is known at once, a node that no
# longer answers after its health check.
_SECONDS_TO_TELL = 5.0


class RayProcesses:
    """Places and starts them, and does so again when one is lost."""

    def __init__(self, cluster: ClusterConfig, compute: ComputeConfig) -> None:
        placement = cluster.training
        assert placement.num_processes is not None  # ExperimentConfig asks for it
        self.max_restarts = placement.max_restarts
        self._size = placement.num_processes
        self._placement = placement
        self._seconds = cluster.placement_seconds
        self._compute = compute
        self._num_threads = threads_of(compute)
        self._seat: ProcessGroup | None = None
        self._device_index = 0
        self._group: ProcessGroup | None = None
        self._places: list[Place] = []

    def launch(self) -> Launch:
        member = session.join()
        is_gpu = resolve_device(self._compute).type == "cuda"
        bundle = self._placement.bundle(num_threads=self._num_threads, is_gpu=is_gpu)
        if "GPU" in bundle and self._seat is None:
            self._take_seat(member, is_gpu=is_gpu)
        self._group = ProcessGroup(
            [bundle] * (self._size - 1),
            strategy=self._placement.placement,
            seconds=self._seconds,
            what=f"training processes 1 to {self._size - 1}",
            num_threads=self._num_threads,
        )
        self._places = self._group.places()
        check_same(own_facts(member.node_ip), [place.facts for place in self._places])
        _logger.info(
            "Training processes: rank 0 here, on %s%s",
            member.node_ip,
            "".join(
                f"; rank {rank} on {place.facts.node}, CUDA_VISIBLE_DEVICES={place.visible_gpus}"
                for rank, place in enumerate(self._places, start=1)
            ),
        )
        use_interface_of(member.node_ip)
        torch.set_num_threads(self._num_threads)
        return Launch(
            rank=0,
            world_size=self._size,
            store_host=member.node_ip,
            hosts_store=True,
            device_index=self._device_index,
        )

    def begin(self, launch: Launch) -> None:
        assert self._group is not None
        for index, place in enumerate(self._places):
            own = replace(launch, rank=index + 1, hosts_store=False, device_index=0)
            self._group.run(index, serve_on_node, own, place.facts.node, self._num_threads)

    def why_lost(self, is_bystander: Callable[[int], bool]) -> str:
        assert self._group is not None
        lost = self._group.lost(_SECONDS_TO_TELL, besides=lambda index: is_bystander(index + 1))
        if not lost:
            return "Ray does not say which; see its log"
        return "; ".join(
            f"rank {index + 1} on {self._places[index].facts.node}: {reason}"
            for index, reason in lost.items()
        )

    def are_lost(self) -> bool:
        return self._group is not None and bool(self._group.lost())

    def end(self) -> None:
        if self._group is not None:
            self._group.end()
            self._group = None

    def leave(self) -> None:
        """End them for good, and give the driver's GPU back."""
        self.end()
        if self._seat is not None:
            self._seat.end()
            self._seat = None

    def _take_seat(self, member: session.Membership, *, is_gpu: bool) -> None:
        """Reserve a GPU of this node for this process, which Ray has not started.

        It stays the same when the others are started anew: the driver's own model is there.
        """
        self._seat = ProcessGroup(
            [{"GPU": 1}],
            strategy="pack",
            seconds=self._seconds,
            what="training process 0, which is the run itself",
            num_threads=1,
            node_ids=[member.node_id],
        )
        [place] = self._seat.places()
        if is_gpu:
            self._device_index = device_index(
                place.gpu_ids[0], os.environ.get("CUDA_VISIBLE_DEVICES")
            )
            torch.cuda.set_device(self._device_index)


def serve_on_node(launch: Launch, address: str, num_threads: int) -> None:
    """Follow the driver's commands as a process that Ray has started.

    Args:
        launch: Its place.
        address: Its node's.
        num_threads: For torch; the same in all processes, since it decides how sums are rounded.
    """
    use_interface_of(address)
    torch.set_num_threads(num_threads)
    status = serve(launch)
    if status:
        # Ray would keep the process, and its peers would wait for it until their deadline.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def device_index(gpu_id: str, visible: str | None) -> int:
    """Return torch's number of a GPU.

    Args:
        gpu_id: As Ray names it: its number on the node, or its UUID.
        visible: This process's CUDA_VISIBLE_DEVICES; None: it sees all.

    Raises:
        ClusterError: If this process does not see it.
    """
    if visible is None:
        return int(gpu_id)
    seen = [name.strip() for name in visible.split(",")]
    if gpu_id not in seen:
        raise ClusterError(
            f"Ray has given GPU {gpu_id} of this node to the run, which sees CUDA_VISIBLE_DEVICES="
            f"{visible}: start it with the same as `ray start` on this node, or without"
        )
    return seen.index(gpu_id)
