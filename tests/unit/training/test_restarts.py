"""A lost process, without any: the driver alone, whose calls break where the test says.

tests/ray_cluster/test_training.py kills one on a cluster.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import make_algorithm, make_setup
from sharded_scenarios import TINY, end_state, rounds_of

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.training import OptimizerConfig
from pmd_pipeline.launch import Launch
from pmd_pipeline.policies.embedded import build_policy
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.policies.storage import save_policy
from pmd_pipeline.records import Prompt, Score
from pmd_pipeline.training.sharded.driver import (
    LostProcessError,
    TrainingProcessError,
    TrainingProcesses,
)
from pmd_pipeline.training.sharded.trainer import ShardedTrainer

# Its optimizer is reset before the second round.
SETUP = make_setup(
    make_algorithm(), optimizer=OptimizerConfig(learning_rate=1e-2, reset_every_rounds=1)
)


class Nobody:
    """No other process: the driver trains alone, in a group of one."""

    def __init__(self, max_restarts: int) -> None:
        self.max_restarts = max_restarts

    def launch(self) -> Launch:
        return Launch(rank=0, world_size=1, store_host="localhost", hosts_store=True)

    def begin(self, launch: Launch) -> None:
        pass

    def why_lost(self, is_bystander: Callable[[int], bool]) -> str:
        return "nobody"

    def are_lost(self) -> bool:
        return False

    def end(self) -> None:
        pass


class Breaking(TrainingProcesses):
    """Loses a process in the middle of chosen calls, once each: when all but the answer is done.

    Attributes:
        calls: What was called, losses included.
    """

    def __init__(self, max_restarts: int, breaks_at: Sequence[int] = ()) -> None:
        self.calls: list[str] = []
        self._breaks_at = set(breaks_at)
        super().__init__(Nobody(max_restarts))

    def start(self, *arguments: Any) -> int:
        number = super().start(*arguments)
        self._break_after("start")
        return number

    def call(self, command: Any, arguments: Any = None) -> list[Any]:
        results = super().call(command, arguments)
        self._break_after(command)
        return results

    def _break_after(self, command: str) -> None:
        self.calls.append(command)
        if len(self.calls) in self._breaks_at:
            raise LostProcessError("rank 1 is gone")


def by_length(prompts: Sequence[Prompt], responses: Sequence[str]) -> list[Score]:
    return [Score(reward=len(response) % 3 / 2) for response in responses]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> PolicyReference:
    folder = tmp_path_factory.mktemp("restarts") / "start"
    save_policy(build_policy(TINY, seed=0), folder)
    return PolicyReference(folder=folder)


def train(processes: TrainingProcesses, start: PolicyReference, folder: Path) -> Any:
    """Return the end state of two rounds; the state after the first is stored."""
    compute = ComputeConfig(device="cpu")
    try:
        trainer = ShardedTrainer(start, SETUP, compute, processes, whole_on_device=True)
        rounds_of(trainer, SETUP, 0, 1, reward=by_length)
        save_policy(trainer.whole_policy(), folder, optimizer_state=trainer.optimizer_state())
        trainer.stored(PolicyReference(folder=folder, round_index=1))
        rounds_of(trainer, SETUP, 1, 2, reward=by_length)
        return end_state(trainer), trainer.policy_version
    finally:
        processes.end()


def test_whichever_call_a_process_is_lost_in_the_result_is_the_same(
    start: PolicyReference, tmp_path: Path
) -> None:
    undisturbed = Breaking(0)
    expected, version = train(undisturbed, start, tmp_path / "undisturbed")
    assert {"update", "gather_policy", "optimizer_state", "reset_optimizer"} <= {*undisturbed.calls}

    broken = Breaking(100, breaks_at=range(1, 200, 7))
    found, found_version = train(broken, start, tmp_path / "broken")
    assert len(broken.calls) > 1.5 * len(undisturbed.calls)  # what was lost has been done again
    assert found_version == version
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_after_the_last_restart_the_loss_ends_the_run(
    start: PolicyReference, tmp_path: Path
) -> None:
    with pytest.raises(TrainingProcessError, match="rank 1 is gone"):
        train(Breaking(1, breaks_at=(2, 3)), start, tmp_path / "state")
