"""Training an adapter: the base never moves, and a resumed training is the same to the bit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import make_algorithm, make_rollouts, make_setup
from torch import Tensor

from pmd_pipeline.algorithms import advantages_of, rollout_weights
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.lora import LoraConfig
from pmd_pipeline.policies.lora import add_adapter
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.policies.storage import save_policy
from pmd_pipeline.rollouts.batch import to_batch
from pmd_pipeline.training.master_weights import MasterWeightAdamW
from pmd_pipeline.training.optimizer import (
    build_optimizer,
    optimizer_state,
    restore_optimizer_state,
)
from pmd_pipeline.training.passes import batch_log_probs
from pmd_pipeline.training.start import load_start
from pmd_pipeline.training.update import TrainingBatch, update_policy

FLOAT32 = ComputeConfig(device="cpu")
BFLOAT16 = ComputeConfig(device="cpu", precision="bfloat16", weights="bfloat16")


@pytest.mark.parametrize("compute", [FLOAT32, BFLOAT16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_updates_move_the_adapter_alone(
    tiny_policy: Policy, tmp_path: Path, compute: ComputeConfig, gradient_checkpointing: bool
) -> None:
    policy = _adapted(tiny_policy, tmp_path, compute)
    if gradient_checkpointing:
        policy.model.gradient_checkpointing_enable({"use_reentrant": False})
    before = {name: tensor.clone() for name, tensor in policy.model.state_dict().items()}
    optimizer = build_optimizer(policy, _SETUP.optimizer)
    # The second factor is 0 at first, so that the first has no gradient before the second update.
    for _ in range(2):
        _update(policy, optimizer, gradient_checkpointing=gradient_checkpointing)
    after = policy.model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if ".lora_" in name}


def test_a_fresh_adapter_follows_from_the_experiments_seed_and_not_the_training_seed(
    tiny_policy: Policy, tmp_path: Path
) -> None:
    """So all training runs begin with one policy."""
    save_policy(tiny_policy, tmp_path / "initial")
    start = PolicyReference(folder=tmp_path / "initial")
    setup = make_setup(make_algorithm(), lora={"rank": 4})

    def adapter(**seeds: int) -> list[Tensor]:
        policy = load_start(start, replace(setup, **seeds), FLOAT32)
        return [t for name, t in policy.model.state_dict().items() if ".lora_A" in name]

    first = adapter(seed=0, adapter_seed=0)
    assert first
    assert all(map(torch.equal, first, adapter(seed=1, adapter_seed=0)))
    assert not any(map(torch.equal, first, adapter(seed=0, adapter_seed=1)))


@pytest.mark.parametrize("compute", [FLOAT32, BFLOAT16], ids=["float32", "bfloat16"])
def test_a_resumed_training_of_an_adapter_is_the_same_to_the_bit(
    tiny_policy: Policy, tmp_path: Path, compute: ComputeConfig
) -> None:
    policy = _adapted(tiny_policy, tmp_path, compute)
    optimizer = build_optimizer(policy, _SETUP.optimizer)
    _update(policy, optimizer)
    state = optimizer_state(policy, optimizer)
    save_policy(policy, tmp_path / "state", optimizer_state=state)
    assert all(".lora_" in name for name in state)

    reference = PolicyReference(folder=tmp_path / "state", round_index=1)
    resumed = reference.load(compute)
    restored = build_optimizer(resumed, _SETUP.optimizer)
    restore_optimizer_state(resumed, restored, reference.load_optimizer_state())
    for live, its_optimizer in ((policy, optimizer), (resumed, restored)):
        _update(live, its_optimizer)
    assert _equal(policy.model.state_dict(), resumed.model.state_dict())
    assert _equal(optimizer_state(policy, optimizer), optimizer_state(resumed, restored))


_SETUP = make_setup(make_algorithm(), optimizer={"learning_rate": 1e-2})


def _adapted(tiny_policy: Policy, folder: Path, compute: ComputeConfig) -> Policy:
    save_policy(tiny_policy, folder / "initial")
    policy = PolicyReference(folder=folder / "initial").load(compute)
    add_adapter(policy, LoraConfig(rank=4), base_folder=folder / "initial", seed=0)
    return policy


def _update(policy: Policy, optimizer: MasterWeightAdamW, **training: object) -> None:
    setup = make_setup(make_algorithm(), optimizer={"learning_rate": 1e-2}, **training)
    batch = to_batch(make_rollouts())
    rollouts = TrainingBatch(
        rollouts=batch,
        names=[str(row) for row in range(len(batch))],
        behaviour_log_probs=batch_log_probs(policy, batch, setup).log_probs,
        advantages=advantages_of(setup.algorithm, batch.rewards, batch.group_ids),
        rollout_weights=rollout_weights(setup.algorithm, batch.rewards, batch.group_ids),
    )
    update_policy(policy, optimizer, rollouts, torch.arange(len(batch)), setup, where="")


def _equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )
