"""Accidents on a cluster's nodes, which import this module."""

import os
import signal
from pathlib import Path
from typing import Any

import torch.distributed as dist

from pmd_pipeline.launch import Launch
from pmd_pipeline.training.sharded.on_ray import serve_on_node
from pmd_pipeline.training.sharded.shard import Shard


def die_in_an_all_reduce(mark: Path, launch: Launch, address: str, num_threads: int) -> None:
    """Serve as a training process; rank 2 is killed in its third update.

    Args:
        mark: A file that tells whether it has happened: it happens once.
        launch: As for `serve_on_node`.
        address: As for `serve_on_node`.
        num_threads: As for `serve_on_node`.
    """
    update, all_reduce, count = Shard.update, dist.all_reduce, 0

    def update_or_die(self: Shard, share: Any) -> Any:
        nonlocal count
        count += 1
        if launch.rank == 2 and count == 3 and not mark.exists():
            mark.touch()
            dist.all_reduce = begin_and_die
        return update(self, share)

    def begin_and_die(*arguments: Any, **options: Any) -> None:
        all_reduce(*arguments, **options, async_op=True)
        os.kill(os.getpid(), signal.SIGKILL)

    Shard.update = update_or_die  # type: ignore[method-assign]
    serve_on_node(launch, address, num_threads)
