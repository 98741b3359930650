"""A process that ends with its parent."""

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from pmd_pipeline.processes.parent import end_with_parent


@pytest.fixture
def parent_and_child() -> Iterator[tuple[int, psutil.Process]]:
    """A process, and a child of it that waits for ever but ends with its parent."""
    ready, told = os.pipe()
    parent = os.fork()
    if parent == 0:
        if os.fork() == 0:
            end_with_parent(lambda: os._exit(0))
            os.write(told, f"{os.getpid()}\n".encode())
        signal.pause()
    with os.fdopen(ready) as answer:
        child = psutil.Process(int(answer.readline()))
    yield parent, child
    if child.is_running():
        child.kill()


def test_a_killed_parent_is_followed(parent_and_child: tuple[int, psutil.Process]) -> None:
    parent, child = parent_and_child
    assert child.is_running()
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    psutil.wait_procs([child], timeout=30)
    assert not child.is_running()
