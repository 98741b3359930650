"""What computes a round's log-probs and updates: one process here, several in ``sharded``."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.engines.base import RolloutEngine
from pmd_pipeline.policies.log_probs import TokenLogProbs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.rollouts.batch import RolloutBatch
from pmd_pipeline.training.by_device import decide_by_device
from pmd_pipeline.training.optimizer import (
    build_optimizer,
    optimizer_state,
    restore_optimizer_state,
)
from pmd_pipeline.training.passes import batch_log_probs
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.sharded.driver import training_processes
from pmd_pipeline.training.sharded.trainer import ShardedTrainer
from pmd_pipeline.training.start import load_start
from pmd_pipeline.training.update import (
    TrainingBatch,
    UpdateResult,
    update_policy,
)


class Trainer(Protocol):
    """Holds a policy and its optimizer. A round says what to compute, but not how or where.

    It is created from a policy by reference and given rollouts; its creator closes it.
    """

    @property
    def policy_version(self) -> int:
        """Optimizer updates since the initial policy."""

    def whole_policy(self) -> Policy:
        """Return the current policy, complete on one device: to sample from, or to store."""

    def log_probs(
        self,
        batch: RolloutBatch,
        mini_batches: Sequence[Tensor] | None = None,
        *,
        with_entropy: bool = False,
    ) -> TokenLogProbs:
        """Return log-probs of responses, without gradients, on the CPU.

        Args:
            batch: Rollouts.
            mini_batches: Rows of each mini-batch. While the policy stays as it is, an update on one
                of them computes the same log-probs, to the bit. None: all rows as one mini-batch.
            with_entropy: Whether entropies are wanted.

        Returns:
            [B, T]; 0 for rollouts in no mini-batch.
        """

    def update(
        self,
        batch: TrainingBatch,
        rows: Tensor,
        *,
        learning_rate: float,
        where: str,
        keeps_log_probs: bool = False,
    ) -> UpdateResult:
        """Take one optimizer step on the rollouts ``rows`` of ``batch``; see `update_policy`.

        A gradient that is exactly 0 changes nothing, the version included.

        Raises:
            NonFiniteUpdateError: If the loss or the gradient is NaN or infinite; no step is taken.
        """

    def optimizer_state(self) -> dict[str, Tensor]:
        """Return the optimizer's full named tensors on the CPU; empty before the first step."""

    def reset_optimizer(self) -> None:
        """Reset the optimizer's moments."""

    def stored(self, state: PolicyReference) -> None:
        """Be told that the policy and the optimizer's state, as they are now, are on disk."""

    def close(self) -> None:
        """Free what the trainer holds; it cannot be used afterwards."""


def start_trainer(
    start: PolicyReference, setup: TrainingSetup, compute: ComputeConfig, engine: RolloutEngine
) -> Trainer:
    """Return a trainer that continues from ``start``: its policy, and its optimizer's state.

    If several processes train together, by torchrun or on a Ray cluster, they share the work.

    Args:
        start: The policy by reference.
        setup: Algorithm and training.
        compute: Where and how it is computed.
        engine: What will sample from the trainer's policy.

    Raises:
        CheckpointError: If a file is damaged.
        ClusterError: If processes on a Ray cluster cannot be started.
        ValueError: If the device is not available, or the optimizer's state is another model's.
    """
    processes = training_processes(compute)
    if processes is not None:
        return ShardedTrainer(
            start,
            setup,
            compute,
            processes,
            whole_on_device=engine.runs_policy_model,
        )
    trainer = LocalTrainer(load_start(start, setup, compute), setup)
    trainer.restore_optimizer(start.load_optimizer_state())
    return trainer


class LocalTrainer:
    """The trainer of one process: the full policy on one device, sampled from where it is."""

    def __init__(self, policy: Policy, setup: TrainingSetup) -> None:
        self._policy = policy
        self._setup = decide_by_device(
            setup, policy.model, device=policy.device, precision=policy.precision
        )
        self._optimizer = build_optimizer(policy, setup.optimizer)
        if setup.training.gradient_checkpointing:
            policy.model.gradient_checkpointing_enable(
                gradient_checkpointing_kwargs={"use_reentrant": False}
            )

    @property
    def policy_version(self) -> int:
        return self._policy.policy_version

    def whole_policy(self) -> Policy:
        return self._policy

    def log_probs(
        self,
        batch: RolloutBatch,
        mini_batches: Sequence[Tensor] | None = None,
        *,
        with_entropy: bool = False,
    ) -> TokenLogProbs:
        return batch_log_probs(
            self._policy, batch, self._setup, mini_batches, with_entropy=with_entropy
        )

    def update(
        self,
        batch: TrainingBatch,
        rows: Tensor,
        *,
        learning_rate: float,
        where: str,
        keeps_log_probs: bool = False,
    ) -> UpdateResult:
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        result = update_policy(
            self._policy,
            self._optimizer,
            batch,
            rows,
            self._setup,
            where=where,
            keeps_log_probs=keeps_log_probs,
        )
        # Gradients take as much memory as the weights, and measuring and sampling need none.
        self._optimizer.zero_grad(set_to_none=True)
        return result

    def optimizer_state(self) -> dict[str, Tensor]:
        return optimizer_state(self._policy, self._optimizer)

    def restore_optimizer(self, state: dict[str, Tensor]) -> None:
        """Put the tensors of :meth:`optimizer_state` back; see `restore_optimizer_state`."""
        restore_optimizer_state(self._policy, self._optimizer, state)

    def reset_optimizer(self) -> None:
        self._optimizer.state.clear()

    def stored(self, state: PolicyReference) -> None:
        """Nothing to do: no process can be lost but this one."""

    def close(self) -> None:
        """Nothing to free: the policy is freed with its last user."""
