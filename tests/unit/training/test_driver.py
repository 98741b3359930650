"""Processes that were started together: one device each."""

import pytest
import torch

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.launch import Launch
from pmd_pipeline.training.sharded import driver
from pmd_pipeline.training.sharded.driver import check_processes


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    return monkeypatch


def started(patch: pytest.MonkeyPatch, num_processes: int) -> None:
    patch.setattr(driver, "current_launch", lambda: Launch(world_size=num_processes))


def test_more_processes_than_gpus_are_refused(two_gpus: pytest.MonkeyPatch) -> None:
    started(two_gpus, 4)
    with pytest.raises(ValueError, match=r"4 processes, but torch finds 2 CUDA.*per-node 2"):
        check_processes(ComputeConfig(device="auto"))


@pytest.mark.parametrize(("num_processes", "device"), [(2, "auto"), (1, "cuda"), (4, "cpu")])
def test_as_many_processes_as_gpus_or_any_number_on_the_cpu_are_not(
    two_gpus: pytest.MonkeyPatch, num_processes: int, device: str
) -> None:
    started(two_gpus, num_processes)
    check_processes(ComputeConfig.model_validate({"device": device}))
