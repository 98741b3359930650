"""Workers on the nodes of a Ray cluster, each with resources of its own."""

import os
import time
from collections.abc import Mapping

import torch

from pmd_pipeline.cluster.errors import HostCallError, HostLostError
from pmd_pipeline.cluster.facts import own_facts
from pmd_pipeline.cluster.hosts import Call, Host, finished
from pmd_pipeline.cluster.placement import Room, find_room, node_resources
from pmd_pipeline.cluster.session import Membership
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.study import WorkersConfig
from pmd_pipeline.studies.loop import Limits
from pmd_pipeline.study_commands.on_ray.fleet import WorkerLostError
from pmd_pipeline.study_commands.on_ray.host import FAILED, Ended
from pmd_pipeline.study_commands.on_ray.request import WorkerRequest
from pmd_pipeline.study_commands.project import StudyProject

_TARGET = "pmd_pipeline.study_commands.on_ray.host:WorkerHost"
_SECONDS_TO_START = 120.0
_SECONDS_TO_ANSWER = 60.0


class RayWorkers:
    """Starts the workers of a study where there is room for them.

    Args:
        project: The study.
        member: The driver, as a member of the cluster.
        num_workers: How many there are to be.
        limits: When the study ends.

    Raises:
        InfeasibleError: If there is no room for all of them at once.
    """

    def __init__(
        self, project: StudyProject, member: Membership, *, num_workers: int, limits: Limits
    ) -> None:
        compute = project.experiment.compute
        self._project = project
        self._limits = limits
        self._address = member.address
        self._facts = own_facts(member.node_ip)
        self._bundle, self._num_threads = _resources(project.config.workers, compute)
        self._rooms = self._find(num_workers, f"{num_workers} study workers")

    def start(self, number: int, marks: tuple[str, ...]) -> "RayWorker":
        """Start the worker of a number; it need not be ready yet.

        Args:
            number: From 1.
            marks: See ``WorkerRequest``.

        Raises:
            InfeasibleError: If there is no room for a replacement.
        """
        project, name = self._project, f"study worker {number}"
        room = self._rooms.pop(0) if self._rooms else self._find(1, name)[0]
        deadline = self._limits.deadline
        request = WorkerRequest(
            study=project.name,
            project=str(project.path),
            env=project.env,
            runtime_parameters=project.runtime_parameters,
            num_trials=self._limits.num_trials,
            timeout_minutes=None if deadline is None else (deadline - time.monotonic()) / 60,
            num_threads=self._num_threads,
            takes_gpu="GPU" in self._bundle,
            marks=marks,
            facts=self._facts,
        )
        host = Host(
            _TARGET,
            bundle=self._bundle,
            node_id=room.node_id,
            seconds=project.experiment.cluster.placement_seconds,
            num_threads=self._num_threads,
            name=name,
        )
        return RayWorker(
            host,
            room,
            project=request.project,
            request=request.to_json(),
            log=str(project.folder / "workers" / f"worker_{number}.log"),
            environment=self._environment(),
        )

    def _find(self, number: int, what: str) -> list[Room]:
        return find_room(
            [self._bundle] * number,
            strategy="spread",
            seconds=self._project.experiment.cluster.placement_seconds,
            what=what,
        )

    def _environment(self) -> dict[str, str]:
        environment = {"RAY_ADDRESS": self._address}  # for trials that use Ray themselves
        url = self._project.config.storage.environment_variable
        if url is not None:
            # As an argument: Ray shows the environment of its processes to whoever asks.
            environment[url] = os.environ[url]
        return environment


class RayWorker:
    """A worker on a node; see :class:`~pmd_pipeline.study_commands.on_ray.fleet.PlacedWorker`.

    Args:
        host: Of a ``WorkerHost``.
        room: Where that is.
        project, request, log, environment: See ``WorkerHost.start``.
    """

    def __init__(
        self,
        host: Host,
        room: Room,
        *,
        project: str,
        request: str,
        log: str,
        environment: Mapping[str, str],
    ) -> None:
        self.place = room.address
        self._host = host
        self._call: Call | None = host.call(
            "start",
            node=room.address,
            project=project,
            request=request,
            log=log,
            environment=environment,
        )
        self._deadline = time.monotonic() + _SECONDS_TO_START

    def look(self) -> Ended | None:
        if self._call is None:
            self._call = self._host.call("look")
            self._deadline = time.monotonic() + _SECONDS_TO_ANSWER
        if not finished([self._call], 0.0):
            if time.monotonic() > self._deadline:
                raise WorkerLostError("its node does not answer")
            return None
        call, self._call = self._call, None
        try:
            ended: Ended | None = call.result()
        except HostLostError as error:
            raise WorkerLostError(str(error)) from error
        except HostCallError as error:
            return Ended(status=FAILED, message=str(error))
        return ended

    def stop(self) -> None:
        self._host.call("stop")

    def kill(self) -> None:
        self._host.kill()


def _resources(workers: WorkersConfig, compute: ComputeConfig) -> tuple[dict[str, float], int]:
    """Return what each worker reserves, and its CPU threads.

    Without a GPU they are as many as a run of this process would have: others would round sums
    otherwise.
    """
    if workers.resources is not None:
        takes_gpu = "GPU" in workers.resources
    else:
        has_gpu = any(resources.get("GPU") for resources in node_resources().values())
        takes_gpu = compute.device == "cuda" or (compute.device == "auto" and has_gpu)
    num_threads = compute.num_threads or (1 if takes_gpu else torch.get_num_threads())
    bundle = {"CPU": float(num_threads), **({"GPU": 1.0} if takes_gpu else {})}
    return dict(bundle if workers.resources is None else workers.resources), num_threads
