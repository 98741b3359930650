"""What every training process does with a command, the driver's own included."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store

from pmd_pipeline.launch import Launch
from pmd_pipeline.training.sharded.collectives import Peers, meet
from pmd_pipeline.training.sharded.shard import Shard, ShardPlan

Command = Literal[
    "start", "log_probs", "update", "gather_policy", "optimizer_state", "reset_optimizer", "close"
]
# The driver may sample and grade for days between two commands.
LONGEST_WAIT = timedelta(days=365)


def connect(launch: Launch) -> tuple[Store, int]:
    """Return the key-value store through which the processes of a launch meet, and its port."""
    store = dist.TCPStore(  # type: ignore[attr-defined]
        launch.store_host,
        launch.store_port,
        launch.world_size,
        is_master=launch.hosts_store and launch.rank == 0,
        wait_for_workers=False,
    )
    return PrefixStore("pmd_pipeline", store), store.port


class Member:
    """A training process: meets its peers once, then holds one share after another."""

    def __init__(self, launch: Launch, store: Store) -> None:
        self._launch = launch
        self._store = store
        self._peers: Peers | None = None
        self._shard: Shard | None = None

    def execute(
        self,
        command: Command,
        device_type: str,
        arguments: Sequence[Any] | None = None,
        **whole: Any,
    ) -> list[Any]:
        """Carry out one command together with all peers.

        Args:
            command: ``start`` and ``close``, or a method of the share.
            device_type: Where all processes compute.
            arguments: In the driver, one per process; None elsewhere.
            whole: What is divided at the start: only in the driver.

        Returns:
            Every process's result in the driver, nothing elsewhere.
        """
        if self._peers is None:
            self._peers = meet(self._launch, self._store, device_type=device_type)
        argument = self._peers.scatter(arguments)
        if command == "start":
            assert isinstance(argument, ShardPlan)
            self._shard = None  # the old share is freed before the next one is made
            self._shard = Shard(argument, self._peers, **whole)
            return self._peers.gather(None)
        if command == "close":
            self._shard = None
            return self._peers.gather(None)
        return self._peers.gather(getattr(self._shard, command)(argument))

    def give_up(self) -> None:
        """End a wait for peers that are gone; for another thread than the one that waits."""
        if self._peers is not None:
            self._peers.connections.cut()
            if dist.group.WORLD is not None:
                dist.group.WORLD.abort()  # NCCL's

    def leave(self, *, after_loss: bool = False) -> None:
        """Part from the peers, who leave as well; ``after_loss``: some are gone already."""
        self._shard = None
        if self._peers is not None:
            self._peers = None
            if after_loss and dist.group.WORLD is not None:
                dist.group.WORLD.abort()  # NCCL would wait for them
            dist.destroy_process_group()
