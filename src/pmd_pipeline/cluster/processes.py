"""Processes on a cluster's nodes, each with a place of its own: Ray actors that run functions."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from pmd_pipeline.cluster.actors import actor_environment, in_short
from pmd_pipeline.cluster.errors import ClusterError
from pmd_pipeline.cluster.facts import NodeFacts, own_facts
from pmd_pipeline.cluster.placement import Resources, give_back, place
from pmd_pipeline.config.cluster import Strategy

_SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a process runs.

    Attributes:
        facts: Of its node, with its address.
        gpu_ids: The GPUs that are reserved for it, as CUDA_VISIBLE_DEVICES names them on the node.
        visible_gpus: Its CUDA_VISIBLE_DEVICES: it sees the first of them as device 0.
    """

    facts: NodeFacts
    gpu_ids: tuple[str, ...]
    visible_gpus: str


class ProcessGroup:
    """Processes that were placed together and end together.

    Each runs one function after another. None is restarted by Ray, which would not know what it
    held: who needs it again makes a new group.
    """

    def __init__(
        self,
        bundles: Sequence[Resources],
        *,
        strategy: Strategy,
        seconds: float,
        what: str,
        num_threads: int,
        node_ids: Sequence[str | None] | None = None,
    ) -> None:
        """Place the processes and start them.

        Args:
            bundles: Resources of each process.
            strategy: See :func:`~pmd_pipeline.cluster.placement.place`, as for ``node_ids``.
            seconds: How long to wait for resources that others hold.
            what: What they are, for messages.
            num_threads: CPU threads of each.
            node_ids: The node that each has to be on.

        Raises:
            InfeasibleError: If the cluster has no room for them.
        """
        self._what = what
        self._group = place(
            bundles, strategy=strategy, seconds=seconds, what=what, node_ids=node_ids
        )
        self._actors = [
            _Process.options(  # type: ignore[attr-defined]
                num_cpus=bundle.get("CPU", 0),
                num_gpus=bundle.get("GPU", 0),
                resources={n: v for n, v in bundle.items() if n not in ("CPU", "GPU")},
                scheduling_strategy=PlacementGroupSchedulingStrategy(self._group, index),
                runtime_env={"env_vars": actor_environment(bundle, num_threads)},
            ).remote()
            for index, bundle in enumerate(bundles)
        ]
        self._running: dict[Any, int] = {}
        self._lost: dict[int, str] = {}
        self._failure: str | None = None

    def places(self) -> list[Place]:
        """Return where each process runs, once all have started.

        Raises:
            ClusterError: If one of them ends before it has.
        """
        try:
            return list(ray.get([actor.place.remote() for actor in self._actors]))
        except ray.exceptions.RayError as error:
            raise ClusterError(f"{self._what}: a process did not start: {error}") from error

    def run(self, index: int, function: Callable[..., object], *arguments: object) -> None:
        """Have a process run a function, after what it was told before; nothing is returned.

        Args:
            index: Of the process.
            function: Of a module that its node can import as well.
            arguments: Of the function.
        """
        self._running[self._actors[index].run.remote(function, *arguments)] = index

    def lost(
        self, seconds: float = 0.0, *, besides: Callable[[int], bool] = lambda _: False
    ) -> dict[int, str]:
        """Return which processes have ended while they ran something, and what Ray says of each.

        Args:
            seconds: How long to wait for the first.
            besides: Whether the end of a process is known already, and not to be returned.

        Raises:
            ClusterError: If a function has raised, or cannot be imported on its node.
        """
        deadline = time.monotonic() + seconds
        while True:
            self._look()
            if self._failure is not None:
                raise ClusterError(f"{self._what}: {self._failure}")
            lost = {index: why for index, why in self._lost.items() if not besides(index)}
            if lost or time.monotonic() >= deadline:
                return lost
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def end(self) -> None:
        """End all processes at once, and free their resources."""
        for actor in self._actors:
            ray.kill(actor)
        give_back(self._group)

    def _look(self) -> None:
        if not self._running:
            return
        ready, _ = ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        for reference in ready:
            index = self._running.pop(reference)
            try:
                ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                self._failure = (
                    f"one of them has failed: {type(error.cause).__name__}: {error.cause}"
                )
            except ray.exceptions.RayError as error:
                self._lost[index] = in_short(error)


@ray.remote(max_restarts=0, max_task_retries=0)
class _Process:
    def place(self) -> Place:
        """Return where this process runs."""
        accelerators = ray.get_runtime_context().get_accelerator_ids()
        return Place(
            facts=own_facts(ray.util.get_node_ip_address()),
            gpu_ids=tuple(accelerators.get("GPU", ())),
            visible_gpus=os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        )

    def run(self, function: Callable[..., object], *arguments: object) -> None:
        function(*arguments)
