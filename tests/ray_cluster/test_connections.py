"""A wait for a machine that has lost its power."""

import os
import signal
import threading
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from forks import begin_forked, run_forked, wait

from pmd_pipeline.training.sharded.collectives import tells_of_loss
from pmd_pipeline.training.sharded.connections import Connections


def test_cut_connections_end_a_wait_for_a_process_that_never_answers(tmp_path: Path) -> None:
    """A stopped process leaves its connections open, as such a machine does."""

    def join(rank: int) -> Connections:
        connections = Connections()
        store = dist.FileStore(str(tmp_path / "store"), 2)  # type: ignore[attr-defined]
        with connections.opened_here():
            dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
        return connections

    def stops() -> None:
        join(1)
        os.kill(os.getpid(), signal.SIGSTOP)

    def waits() -> None:
        connections = join(0)
        threading.Timer(0.5, connections.cut).start()
        with pytest.raises(RuntimeError) as caught:
            dist.all_reduce(torch.ones(1))
        assert tells_of_loss(caught.value)

    stopped = begin_forked(stops)
    try:
        assert run_forked(waits) == 0
    finally:
        os.kill(stopped, signal.SIGKILL)
        wait(stopped)
