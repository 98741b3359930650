"""The Ray cluster that a run uses when something in it runs on Ray."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.effects import SAME_BYTES, ChangesNoResult

LOCAL = "local"
RUNNING = "auto"


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
