"""Objects that live on a cluster's nodes: each in a process of its own, with a place of its own."""

import importlib
import os
import pickle
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from pmd_pipeline.cluster.actors import actor_environment, in_short
from pmd_pipeline.cluster.errors import HostCallError, HostLostError
from pmd_pipeline.cluster.placement import Resources, give_back, place
from pmd_pipeline.cluster.shipments import Shipment, discard, unpack
from pmd_pipeline.processes.errors import CallFailedError, ChildError

_SECONDS_TO_START = 120.0
_SECONDS_TO_SAY_SO = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WhereItRuns:
    """Where an object lives.

    Attributes:
        node_id, node_ip: Of the node, as Ray knows it.
        process_id: Of the process, on that node.
        visible_gpus: Its CUDA_VISIBLE_DEVICES: it sees the first of them as device 0.
    """

    node_id: str
    node_ip: str
    process_id: int
    visible_gpus: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call under way; :func:`finished` says when it is done."""

    reference: Any

    def result(self, seconds: float | None = None) -> Any:
        """Return what the method returned; waits for it.

        Args:
            seconds: How long at most.

        Raises:
            HostLostError: If the process or its node is gone, or the time is over.
            HostCallError: If the method raised.
        """
        try:
            answer = ray.get(self.reference, timeout=seconds)
        except ray.exceptions.GetTimeoutError:
            raise HostLostError(f"no answer in {seconds:g} seconds") from None
        except ray.exceptions.RayTaskError as error:  # its arguments or result cannot be read
            raise HostCallError(str(error.cause)) from error
        except ray.exceptions.RayError as error:
            raise HostLostError(in_short(error)) from error
        # Pickled there: what Ray unpickles itself lies in its object store, and is read-only.
        kind, value = pickle.loads(answer)
        if kind == "done":
            return value
        raise (HostLostError if kind == "gone" else HostCallError)(value)


class Host:
    """An object in a process on another node, with resources that are its own.

    Ray does not start it again where it is lost: it would not know what the object held.

    Args:
        target: The object's class, ``package.module:Class``; it takes no arguments.
        bundle: Resources of the process.
        node_id: The node that it goes to; None: any.
        seconds: How long to wait for resources that others hold.
        num_threads: CPU threads of what it computes.
        name: For messages.

    Raises:
        InfeasibleError: If there is no room.
    """

    def __init__(
        self,
        target: str,
        *,
        bundle: Resources,
        node_id: str | None,
        seconds: float,
        num_threads: int,
        name: str,
    ) -> None:
        self._group = place(
            [bundle], strategy="pack", seconds=seconds, what=name, node_ids=[node_id]
        )
        self._actor = _Host.options(  # type: ignore[attr-defined]
            num_cpus=bundle.get("CPU", 0),
            num_gpus=bundle.get("GPU", 0),
            resources={n: v for n, v in bundle.items() if n not in ("CPU", "GPU")},
            scheduling_strategy=PlacementGroupSchedulingStrategy(self._group, 0),
            runtime_env={"env_vars": actor_environment(bundle, num_threads)},
        ).remote(target)
        self._where = self._actor.where.remote()

    def where(self, seconds: float = _SECONDS_TO_START) -> WhereItRuns:
        """Return where it runs, once it has started; raises as :meth:`Call.result` does."""
        found: WhereItRuns = Call(self._where).result(seconds)
        return found

    def call(
        self, method: str, /, *, files: Mapping[str, Shipment] | None = None, **arguments: Any
    ) -> Call:
        """Begin a call, which runs after those begun before.

        Args:
            method: Of the object.
            files: Shipments by the names of the arguments that get their folders there.
            arguments: The others, by name.
        """
        return Call(self._actor.call.remote(method, arguments, files or {}))

    def discard(self, shipment: Shipment) -> Call:
        """Begin to remove its node's folder of a shipment, after the calls begun before."""
        return Call(self._actor.discard.remote(shipment))

    def kill(self) -> None:
        """End its process at once, and free its resources; a second time does nothing."""
        if ray.is_initialized():
            ray.kill(self._actor)
            give_back(self._group)


def finished(calls: Sequence[Call], seconds: float) -> list[Call]:
    """Return the calls that have results or never will, once there is one or the time is over."""
    by_reference = {call.reference: call for call in calls}
    references = list(by_reference)
    ready, _ = ray.wait(references, num_returns=1, timeout=seconds)
    if ready:
        ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
    return [by_reference[reference] for reference in ready]


@ray.remote(max_restarts=0, max_task_retries=0)
class _Host:
    def __init__(self, target: str) -> None:
        self._import_path = target
        self._target: Any = None

    def where(self) -> bytes:
        found = WhereItRuns(
            node_id=ray.get_runtime_context().get_node_id(),
            node_ip=ray.util.get_node_ip_address(),
            process_id=os.getpid(),
            visible_gpus=os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        )
        return pickle.dumps(("done", found))

    def call(
        self, method: str, arguments: Mapping[str, Any], files: Mapping[str, Shipment]
    ) -> bytes:
        try:
            if self._target is None:  # made here, where an error is an answer
                module, _, name = self._import_path.partition(":")
                self._target = getattr(importlib.import_module(module), name)()
            folders = {name: unpack(shipment) for name, shipment in files.items()}
            return pickle.dumps(("done", getattr(self._target, method)(**arguments, **folders)))
        except Exception as error:
            traceback.print_exc()
            if isinstance(error, ChildError) and not isinstance(error, CallFailedError):
                # What the object stands for is gone: this process is of no use without it.
                threading.Timer(_SECONDS_TO_SAY_SO, os._exit, [1]).start()
                return pickle.dumps(("gone", str(error)))
            return pickle.dumps(("failed", f"{method}: {type(error).__name__}: {error}"))

    def discard(self, shipment: Shipment) -> bytes:
        discard(shipment)
        return pickle.dumps(("done", None))
