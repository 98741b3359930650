"""One process's share of a policy and its optimizer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

from pmd_pipeline.algorithms import LossDenominators
from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.policies.log_probs import TokenLogProbs
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.rollouts.batch import RolloutBatch
from pmd_pipeline.training.by_device import decide_by_device
from pmd_pipeline.training.optimizer import (
    MASTER,
    build_optimizer,
    optimizer_tensors,
    restore_optimizer_state,
)
from pmd_pipeline.training.passes import collect_log_probs, micro_batches, policy_log_probs
from pmd_pipeline.training.setup import TrainingSetup
from pmd_pipeline.training.sharded.collectives import Peers
from pmd_pipeline.training.sharded.fsdp import (
    gather_tensor,
    gather_weights,
    scatter_tensor,
    scatter_weights,
    shard_module,
)
from pmd_pipeline.training.update import (
    NonFiniteUpdateError,
    TrainingBatch,
    UpdateResult,
    take_step,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """What every process needs to know to take its share.

    Attributes:
        policy: The policy without weights.
        compute: Threads and precision.
        setup: Algorithm and training.
        optimizer_state: Tensors that the optimizer continues with: single numbers as they are,
            others without content.
    """

    policy: Policy
    compute: ComputeConfig
    setup: TrainingSetup
    optimizer_state: dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProbShare:
    """One process's share of a pass without an update.

    Attributes:
        mini_batches: Its rollouts of each mini-batch; there may be none.
        with_entropy: Whether entropies are wanted.
    """

    mini_batches: list[RolloutBatch]
    with_entropy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateShare:
    """One process's share of an update.

    Attributes:
        batch: Its rollouts; there may be none.
        denominators: Counts over the whole mini-batch.
        learning_rate: Of this update.
        where: Names the round and the mini-batch in messages.
        keeps_log_probs: Whether the result has the log-probs of the forward pass.
    """

    batch: TrainingBatch
    denominators: LossDenominators
    learning_rate: float
    where: str
    keeps_log_probs: bool


class Shard:
    """A share of the policy and its optimizer; each method is called by all peers together."""

    def __init__(
        self,
        plan: ShardPlan,
        peers: Peers,
        whole_policy: Policy | None = None,
        whole_optimizer_state: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> None:
        """Take this process's share.

        Args:
            plan: The same for all.
            peers: The processes.
            whole_policy: The policy to divide: only in the driver, which keeps it.
            whole_optimizer_state: The tensors to divide: only in the driver.
        """
        if plan.compute.num_threads is not None:
            torch.set_num_threads(plan.compute.num_threads)
        self._peers = peers
        self._setup = decide_by_device(
            plan.setup, plan.policy.model, device=peers.device, precision=plan.compute.precision
        )
        self._whole_model = None if whole_policy is None else whole_policy.model
        # FSDP itself computes in the plan's precision, without autocast.
        self._policy = replace(plan.policy, precision="float32")
        self._forward = _LogProbs(self._policy, self._setup)
        model = self._policy.model
        self._masters = _raise_to_masters(model)
        shard_module(self._forward, peers, precision=plan.compute.precision)
        scatter_weights(model, self._whole_model, peers)
        if plan.setup.training.gradient_checkpointing:
            model.gradient_checkpointing_enable(
                gradient_checkpointing_kwargs={"use_reentrant": False}
            )
        self._optimizer = build_optimizer(self._policy, plan.setup.optimizer)
        self._restore_optimizer(plan.optimizer_state, whole_optimizer_state)

    def log_probs(self, share: LogProbShare) -> list[TokenLogProbs]:
        """Return log-probs of this process's share of each mini-batch, on the CPU."""
        self._policy.model.eval()
        results = [
            collect_log_probs(
                batch,
                self._micro_batches(batch),
                self._log_probs_of,
                with_entropy=share.with_entropy,
            )
            for batch in share.mini_batches
        ]
        # Without a backward pass, the outermost weights would stay gathered.
        for module in self._forward.modules():
            if isinstance(module, FSDPModule):
                module.reshard()
        return results

    def update(self, share: UpdateShare) -> UpdateResult | NonFiniteUpdateError:
        """Take one optimizer step together; return this share's loss and counts, or the refusal."""
        for group in self._optimizer.param_groups:
            group["lr"] = share.learning_rate
        try:
            return take_step(
                self._policy,
                self._optimizer,
                share.batch,
                self._micro_batches(share.batch.rollouts),
                share.denominators,
                self._setup,
                log_probs_of=self._log_probs_of,
                where=share.where,
                keeps_log_probs=share.keeps_log_probs,
                in_any_process=self._peers.any,
            )
        except NonFiniteUpdateError as error:
            return error
        finally:
            self._optimizer.zero_grad(set_to_none=True)

    def gather_policy(self, _: None) -> None:
        """Update the driver's full policy."""
        gather_weights(self._policy.model, self._whole_model)

    def optimizer_state(self, _: None) -> dict[str, Tensor]:
        """Return the optimizer's full tensors on the CPU; only in the driver."""
        gathered = {}
        masters = [
            (f"{name}.{MASTER}", parameter.detach())
            for name, parameter in self._policy.model.named_parameters()
            if name in self._masters
        ]
        for name, tensor in chain(masters, optimizer_tensors(self._policy, self._optimizer)):
            full = gather_tensor(tensor)
            if self._whole_model is not None:
                gathered[name] = full.cpu()
        return gathered

    def reset_optimizer(self, _: None) -> None:
        """Reset the optimizer's moments."""
        self._optimizer.state.clear()

    def _restore_optimizer(self, plan: Mapping[str, Tensor], whole: Mapping[str, Tensor]) -> None:
        """Divide the optimizer's tensors, which ``whole`` holds only in the driver."""
        suffix = f".{MASTER}"
        stored = {name.removesuffix(suffix) for name in plan if name.endswith(suffix)}
        if plan and stored != self._masters:
            raise ValueError(
                f"the optimizer's state holds float32 masters of {len(stored)} weights, the policy "
                f"has {len(self._masters)} in bfloat16: it was made with weights of another "
                "precision; set it back to what it was"
            )
        parameters = dict(self._policy.model.named_parameters())
        moments = {}
        for name, tensor in plan.items():
            value = tensor
            if tensor.is_meta:
                value = scatter_tensor(whole.get(name), tensor, self._peers)
            if name.endswith(suffix):
                with torch.no_grad():
                    parameters[name.removesuffix(suffix)].copy_(value)
            else:
                moments[name] = value
        restore_optimizer_state(self._policy, self._optimizer, moments)

    def _micro_batches(self, batch: RolloutBatch) -> list[Tensor]:
        """Return the rows of each micro-batch, equally many in all processes; some may be empty."""
        parts = micro_batches(batch, torch.arange(len(batch)), self._setup)
        missing = self._peers.largest(len(parts)) - len(parts)
        return [*parts, *[torch.arange(0)] * missing]

    def _log_probs_of(
        self, batch: RolloutBatch, part: Tensor, *, with_entropy: bool
    ) -> TokenLogProbs:
        if len(part):
            log_probs, entropy = self._forward(batch, part, with_entropy)
        else:
            # All processes gather layers together, so one that has nothing left to compute joins
            # in with a rollout whose log-probs are not used.
            log_probs, entropy = self._forward(self._placeholder(), torch.arange(1), with_entropy)
            log_probs, entropy = log_probs[:0], None if entropy is None else entropy[:0]
        return TokenLogProbs(log_probs=log_probs, entropy=entropy)

    def _placeholder(self) -> RolloutBatch:
        token = self._policy.pad_token_id
        return RolloutBatch(
            prompt_token_ids=[[token]],
            response_token_ids=torch.tensor([[token]]),
            response_mask=torch.tensor([[True]]),
            sampler_log_probs=torch.zeros(1, 1),
            rewards=torch.zeros(1, dtype=torch.float64),
            group_ids=torch.zeros(1, dtype=torch.long),
        )


def _raise_to_masters(model: nn.Module) -> set[str]:
    """Make trainable bfloat16 weights float32 and return their names.

    The optimizer updates the share, so it is the master; it is rounded and gathered to compute.
    """
    names = set()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and parameter.dtype == torch.bfloat16:
            parameter.data = parameter.data.float()
            names.add(name)
    return names


class _LogProbs(nn.Module):
    """The policy's log-probs as one forward, as FSDP's outermost module requires."""

    def __init__(self, policy: Policy, setup: TrainingSetup) -> None:
        super().__init__()
        self.model = policy.model
        self._compute = partial(policy_log_probs, policy, setup=setup)

    def forward(
        self, batch: RolloutBatch, part: Tensor, with_entropy: bool
    ) -> tuple[Tensor, Tensor | None]:
        result = self._compute(batch, part, with_entropy=with_entropy)
        return result.log_probs, result.entropy
