"""On a CUDA device: one process over NCCL, its share the whole, trains as without sharding."""

import socket
from pathlib import Path

import pytest
import torch
from helpers import make_algorithm, make_rollouts, make_setup

from pmd_pipeline.algorithms import advantages_of, rollout_weights
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.launch import Launch
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.policies.storage import save_policy
from pmd_pipeline.rollouts.batch import to_batch
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.sharded.driver import TrainingProcesses
from pmd_pipeline.training.sharded.others import TorchrunProcesses
from pmd_pipeline.training.sharded.trainer import ShardedTrainer
from pmd_pipeline.training.trainer import LocalTrainer, Trainer
from pmd_pipeline.training.update import TrainingBatch, UpdateResult

pytestmark = pytest.mark.gpu


# AdamW moves a weight by up to the learning rate, 1e-3, however small its gradient: where rounding
# decides the gradient's sign, two updates end up to 4e-3 apart.
@pytest.mark.parametrize(
    ("precision", "tolerance", "weight_tolerance"),
    [("float32", 1e-4, 1e-4), ("bfloat16", 0.1, 5e-3)],
)
def test_a_sharded_update_on_the_gpu(
    tiny_policy: Policy, tmp_path: Path, precision: str, tolerance: float, weight_tolerance: float
) -> None:
    save_policy(tiny_policy, tmp_path / "start")
    start = PolicyReference(folder=tmp_path / "start")
    compute = ComputeConfig.model_validate({"device": "cuda", "precision": precision})
    setup = make_setup(make_algorithm(), micro_batch_tokens=60)
    processes = TrainingProcesses(TorchrunProcesses(one_process()))
    try:
        sharded = ShardedTrainer(start, setup, compute, processes, whole_on_device=True)
        local = LocalTrainer(start.load(compute), setup)
        for _ in range(2):
            expected, found = update(local, setup), update(sharded, setup)
            assert found.loss == pytest.approx(expected.loss, rel=tolerance, abs=tolerance)
            assert found.gradient_norm == pytest.approx(expected.gradient_norm, rel=tolerance)
        whole = sharded.whole_policy()
        assert whole.device.type == "cuda"
        for one, two in zip(
            local.whole_policy().model.parameters(), whole.model.parameters(), strict=True
        ):
            assert two.dtype == torch.float32
            torch.testing.assert_close(two, one, rtol=0, atol=weight_tolerance)
    finally:
        processes.end()


def one_process() -> Launch:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port = listener.getsockname()[1]
    return Launch(store_host="localhost", store_port=port, hosts_store=True)


def update(trainer: Trainer, setup: TrainingSetup) -> UpdateResult:
    rollouts = make_rollouts()
    batch = to_batch(rollouts)
    training_batch = TrainingBatch(
        rollouts=batch,
        names=[rollout.problem_id for rollout in rollouts],
        behaviour_log_probs=trainer.log_probs(batch).log_probs,
        advantages=advantages_of(setup.algorithm, batch.rewards, batch.group_ids),
        rollout_weights=rollout_weights(setup.algorithm, batch.rewards, batch.group_ids),
    )
    return trainer.update(training_batch, torch.arange(16), learning_rate=1e-3, where="")
