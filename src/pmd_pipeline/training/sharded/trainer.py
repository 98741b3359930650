"""The trainer of several processes, in the driver."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.policies.log_probs import TokenLogProbs
from pmd_pipeline.policies.policy import Policy, resolve_device
from pmd_pipeline.policies.reference import PolicyReference
from pmd_pipeline.policies.skeleton import without_weights
from pmd_pipeline.rollouts.batch import RolloutBatch, rollout_tokens, select_rows
from pmd_pipeline.training.passes import put_together
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.sharded.balance import balanced_shares
from pmd_pipeline.training.sharded.commands import Command
from pmd_pipeline.training.sharded.driver import LostProcessError, TrainingProcesses
from pmd_pipeline.training.sharded.shard import LogProbShare, ShardPlan, UpdateShare
from pmd_pipeline.training.start import load_start
from pmd_pipeline.training.update import (
    NonFiniteElsewhereError,
    NonFiniteUpdateError,
    TrainingBatch,
    UpdateResult,
    mini_batch_counts,
)


class ShardedTrainer:
    """Policy and optimizer in shares, one per process; rollouts divided among them.

    The driver keeps a full copy of the policy, to sample from and to store, which is updated from
    the shares on demand.

    If a process is lost and the others can be started anew, they begin with the last state that was
    stored and do again what has changed it since, with the same shares of the same rollouts; then
    the call that failed is made again. What follows is the same, to the bit where sums are.
    """

    def __init__(
        self,
        start: PolicyReference,
        setup: TrainingSetup,
        compute: ComputeConfig,
        processes: TrainingProcesses,
        *,
        whole_on_device: bool,
    ) -> None:
        """Divide a policy and its optimizer's state among the processes.

        Args:
            start: The policy, and its optimizer's state.
            setup: Algorithm and training.
            compute: Where and how the processes compute.
            processes: The processes.
            whole_on_device: Whether the full policy is on the driver's device or in host memory.

        Raises:
            CheckpointError: If a file is damaged.
            ValueError: If the optimizer's state is another model's.
        """
        self._place = compute if whole_on_device else compute.model_copy(update={"device": "cpu"})
        self._compute = compute
        self._processes = processes
        self._setup = setup
        self._stored = start
        self._changes: list[tuple[Command, Sequence[Any] | None]] = []
        try:
            self._divide()
        except LostProcessError as loss:
            self._begin_again(loss)
        self.policy_version = self._whole.policy_version

    def _divide(self) -> None:
        """Give every process its share of the last state that was stored."""
        self._whole = load_start(self._stored, self._setup, self._place)
        optimizer_state = self._stored.load_optimizer_state()
        plan = ShardPlan(
            policy=replace(self._whole, model=without_weights(self._whole.model)),
            compute=self._compute,
            setup=self._setup,
            optimizer_state={
                name: tensor.to("meta") if tensor.dim() else tensor
                for name, tensor in optimizer_state.items()
            },
        )
        device_type = resolve_device(self._compute).type
        self._number = self._processes.start(plan, device_type, self._whole, optimizer_state)

    def _begin_again(self, loss: LostProcessError) -> None:
        """Bring new processes to where the lost ones were before the call that failed."""
        while True:
            self._processes.restart(loss)
            try:
                self._divide()
                for command, arguments in self._changes:
                    self._processes.call(command, arguments)
            except LostProcessError as another:
                loss = another
            else:
                return

    def _call(self, command: Command, arguments: Sequence[Any] | None = None) -> list[Any]:
        while True:
            try:
                results = self._processes.call(command, arguments)
            except LostProcessError as loss:
                self._begin_again(loss)
            else:
                break
        if command in ("update", "reset_optimizer") and self._processes.can_restart:
            self._changes.append((command, arguments))
        return results

    def stored(self, state: PolicyReference) -> None:
        self._stored = state
        self._changes.clear()

    def whole_policy(self) -> Policy:
        if self._whole.policy_version != self.policy_version:
            self._call("gather_policy")
            self._whole.policy_version = self.policy_version
        return self._whole

    def log_probs(
        self,
        batch: RolloutBatch,
        mini_batches: Sequence[Tensor] | None = None,
        *,
        with_entropy: bool = False,
    ) -> TokenLogProbs:
        all_rows = [torch.arange(len(batch))] if mini_batches is None else mini_batches
        # By mini-batch, then by process.
        shares = [self._shares(batch, rows) for rows in all_rows]
        by_process = list(zip(*shares, strict=True))
        results: list[list[TokenLogProbs]] = self._call(
            "log_probs",
            [
                LogProbShare(
                    mini_batches=[select_rows(batch, rows) for rows in own],
                    with_entropy=with_entropy,
                )
                for own in by_process
            ],
        )
        return put_together(
            batch,
            [rows for own in by_process for rows in own],
            [result for computed in results for result in computed],
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
        counts = mini_batch_counts(batch, rows, self._setup)
        shares = self._shares(batch.rollouts, rows)
        results: list[UpdateResult | NonFiniteUpdateError] = self._call(
            "update",
            [
                UpdateShare(
                    batch=batch.select(share),
                    denominators=counts,
                    learning_rate=learning_rate,
                    where=where,
                    keeps_log_probs=keeps_log_probs,
                )
                for share in shares
            ],
        )
        result = _added_up(results, batch.rollouts, shares)
        self.policy_version += result.is_made
        return result

    def optimizer_state(self) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self._call("optimizer_state")[0]
        return state

    def reset_optimizer(self) -> None:
        self._call("reset_optimizer")

    def close(self) -> None:
        self._processes.close(self._number)

    def _shares(self, batch: RolloutBatch, rows: Tensor) -> list[Tensor]:
        """Return each process's share of the mini-batch ``rows``."""
        tokens = rollout_tokens(select_rows(batch, rows))
        return [rows[share] for share in balanced_shares(tokens, self._processes.size)]


def _added_up(
    results: list[UpdateResult | NonFiniteUpdateError],
    batch: RolloutBatch,
    shares: Sequence[Tensor],
) -> UpdateResult:
    """Return the whole mini-batch's result, or raise the error of the process at fault."""
    refusals = [result for result in results if isinstance(result, NonFiniteUpdateError)]
    if refusals:
        at_fault = [e for e in refusals if not isinstance(e, NonFiniteElsewhereError)]
        raise at_fault[0]
    done = [result for result in results if isinstance(result, UpdateResult)]
    log_probs = [result.log_probs for result in done if result.log_probs is not None]
    return UpdateResult(
        loss=sum(result.loss for result in done),
        gradient_norm=done[0].gradient_norm,
        is_made=done[0].is_made,
        num_tokens=sum(result.num_tokens for result in done),
        num_clipped=sum(result.num_clipped for result in done),
        num_clip_units=sum(result.num_clip_units for result in done),
        log_probs=put_together(batch, shares, log_probs) if log_probs else None,
    )
