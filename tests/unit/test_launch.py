"""How this process was started, read from torchrun's variables once."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pmd_pipeline.launch import Launch, current_launch, take_launch

VARIABLES = {
    "RANK": "1",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_WORLD_SIZE": "2",
    "GROUP_RANK": "0",
    "ROLE_RANK": "1",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "1234",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
    "TORCHELASTIC_RUN_ID": "x",
}


# What a process by itself is: taking this launch undoes another.
ALONE = {
    "RANK": "0",
    "WORLD_SIZE": "1",
    "LOCAL_WORLD_SIZE": "1",
    "MASTER_ADDR": "",
    "MASTER_PORT": "0",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
}


@pytest.fixture
def started_together(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    yield monkeypatch
    monkeypatch.undo()
    os.environ.update(ALONE)
    assert take_launch() == Launch()


def test_a_process_by_itself_is_the_driver_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert take_launch() == current_launch() == Launch(rank=0, world_size=1)


def test_the_launch_is_read_and_kept(started_together: pytest.MonkeyPatch) -> None:
    expected = Launch(rank=1, world_size=2, store_host="localhost", store_port=1234, device_index=1)
    assert take_launch() == expected
    assert take_launch() == current_launch() == expected


def test_without_torchruns_own_store_the_driver_opens_it(
    started_together: pytest.MonkeyPatch,
) -> None:
    started_together.setenv("TORCHELASTIC_USE_AGENT_STORE", "False")
    assert take_launch().hosts_store


def test_child_processes_find_nothing_of_the_launch(started_together: pytest.MonkeyPatch) -> None:
    take_launch()
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(*os.environ)"], capture_output=True, check=True
    )
    assert not set(VARIABLES) & set(child.stdout.decode().split())


def test_several_machines_are_refused(started_together: pytest.MonkeyPatch) -> None:
    started_together.setenv("WORLD_SIZE", "4")
    with pytest.raises(
        ValueError, match=r"has started 4 processes, 2 of them on this.*compute.launch: ray"
    ):
        take_launch()


def test_a_half_set_environment_is_refused(started_together: pytest.MonkeyPatch) -> None:
    started_together.delenv("MASTER_PORT")
    with pytest.raises(ValueError, match="not MASTER_PORT: start the processes with torchrun"):
        take_launch()
