"""The Ray cluster that a run uses when something in it runs on Ray."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.effects import LAST_DIGITS, SAME_BYTES, ChangesNoResult

LOCAL = "local"
RUNNING = "auto"


Strategy = Literal["pack", "spread"]


class TrainingPlacement(StrictModel):
    """The processes that train together on a cluster: used with ``compute.launch: ray``."""

    num_processes: Annotated[int | None, ChangesNoResult(bytes=LAST_DIGITS)] = Field(
        default=None,
        ge=1,
        description="how many, the run's own process included, which is rank 0",
    )
    resources_per_process: Annotated[dict[str, float] | None, ChangesNoResult(bytes=SAME_BYTES)] = (
        Field(
            default=None,
            description="what each reserves, as Ray names it: CPU, GPU, a cluster's own; null: "
            "a CPU for each of compute.num_threads, and a GPU if the run computes on GPUs. The "
            "run's own process reserves only its GPU, on its own node",
        )
    )
    placement: Annotated[Strategy, ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default="pack", description="pack: on as few nodes as possible; spread: on as many"
    )
    max_restarts: Annotated[int, ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default=3,
        ge=0,
        description="how often in a run the processes are started anew when one is lost; what the "
        "round has done since the last stored state is then done again",
    )

    @field_validator("resources_per_process")
    @classmethod
    def _one_gpu_at_most(cls, resources: dict[str, float] | None) -> dict[str, float] | None:
        if resources is not None and not resources:
            raise ValueError("nothing to reserve; give each process a CPU: {CPU: 1}")
        for name, number in (resources or {}).items():
            if number <= 0:
                raise ValueError(f"{name}: {number:g} is nothing to reserve; leave it out")
            if name == "GPU" and number != 1:
                raise ValueError(
                    f"GPU: {number:g}: a process computes on one GPU; raise num_processes for more"
                )
        return resources

    def bundle(self, *, num_threads: int, is_gpu: bool) -> dict[str, float]:
        """Return what each process reserves, by Ray's names.

        Raises:
            ValueError: If the run computes on GPUs and none is to be reserved.
        """
        if self.resources_per_process is None:
            return {"CPU": num_threads} | ({"GPU": 1.0} if is_gpu else {})
        if is_gpu and "GPU" not in self.resources_per_process:
            raise ValueError(
                "the run computes on GPUs, so each training process needs one: add GPU: 1 to "
                "cluster.training.resources_per_process, or set compute.device: cpu"
            )
        return self.resources_per_process


class ClusterConfig(StrictModel):
    """Where the cluster is, and how long a run waits for a place on it; unused without Ray."""

    address: Annotated[str, ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default=RUNNING,
        description="auto: the cluster that runs on this machine or that RAY_ADDRESS names; "
        "host:port: another, of which this machine is a node; local: one is started on this "
        "machine and ends with the run",
    )
    object_store_gib: Annotated[float | None, ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default=None,
        ge=0.075,  # Ray's own least
        description="memory for objects of the cluster that `local` starts; null: Ray's choice, "
        "a third of the machine's memory",
    )
    placement_seconds: Annotated[float, ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default=60.0,
        gt=0,
        description="how long to wait for resources that others hold; what the cluster does not "
        "have at all is refused within seconds",
    )

    training: TrainingPlacement = TrainingPlacement()

    @field_validator("address")
    @classmethod
    def _is_no_client(cls, address: str) -> str:
        refuse_client(address)
        host, _, port = address.rpartition(":")
        if address not in (LOCAL, RUNNING) and not (host and port.isdigit()):
            raise ValueError("use auto, local, or the head node's host:port")
        return address

    @model_validator(mode="after")
    def _memory_is_that_of_a_new_cluster(self) -> Self:
        if self.object_store_gib is not None and self.address != LOCAL:
            raise ValueError(
                "object_store_gib holds for address: local alone; a cluster that runs already got "
                "its object store from `ray start --object-store-memory`"
            )
        return self


def refuse_client(address: str) -> None:
    """Raise ValueError for an address of Ray's client mode.

    A client's process is outside the cluster: it has no object store, Ray places nothing beside
    it, and all weights and rollouts would go through one proxy.
    """
    if address.startswith("ray://"):
        raise ValueError(
            f"{address!r} is an address for Ray's client mode, in which this process stays outside "
            "the cluster, while the run's driver trains together with its nodes and shares "
            "memory with one of them; start the run on the head node (or on any other node) with "
            "address: auto"
        )
