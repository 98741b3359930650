"""Policies by reference, and the states of a training: types that nodes and datasets name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pmd_pipeline.config.compute import ComputeConfig
from pmd_pipeline.config.policy import PretrainedPolicyConfig
from pmd_pipeline.policies.policy import Policy, resolve_device, weight_dtype

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReference:
    """A policy on disk: what travels through a pipeline instead of weights.

    Attributes:
        folder: Holds the manifest, the policy's files and, after training, the optimizer's state.
        round_index: Complete rounds of training so far.
    """

    folder: Path
    round_index: int = 0

    def load(self, compute: ComputeConfig) -> Policy:
        """Return the live policy where and as ``compute`` says.

        Raises:
            CheckpointError: If a file is damaged.
            ValueError: If the device is not available.
        """
        from pmd_pipeline.policies.storage import load_policy

        policy = load_policy(
            self.folder, device=resolve_device(compute), dtype=weight_dtype(compute.weights)
        )
        policy.precision = compute.precision
        return policy

    def load_optimizer_state(self) -> dict[str, Tensor]:
        """Return the optimizer's tensors; empty for a policy that has not been trained."""
        if not self.round_index:
            return {}
        from pmd_pipeline.policies.storage import load_optimizer_state

        return load_optimizer_state(self.folder)

    def load_rollouts_ahead(self) -> bytes:
        """Return the `TrainingState`'s rollouts ahead.

        Raises:
            CheckpointError: If their file is damaged.
        """
        if not self.round_index:
            return b""
        from pmd_pipeline.policies.storage import load_rollouts_ahead

        return load_rollouts_ahead(self.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedReference:
    """A model in a folder or on the hub, as it is before any training.

    Attributes:
        config: Where it is.
    """

    config: PretrainedPolicyConfig

    def load(self, compute: ComputeConfig) -> Policy:
        """Return the live policy where and as ``compute`` says.

        Raises:
            PolicyLoadError: If it cannot be loaded.
            ValueError: If the device is not available.
        """
        from pmd_pipeline.policies.loading import load_pretrained

        policy = load_pretrained(
            self.config, device=resolve_device(compute), dtype=weight_dtype(compute.weights)
        )
        policy.precision = compute.precision
        return policy


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """What is stored after a round: enough to continue as if nothing had happened.

    Attributes:
        policy: The live policy.
        optimizer_state: Gives the optimizer's named tensors, which may be gigabytes, when they
            are stored.
        round_index: Complete rounds so far.
        is_last: True when its phase is finished.
        rollouts_ahead: Graded rollouts of the rounds to come, as stored; empty if there are none.
        stored: Told where the state is, once it is.
    """

    policy: Policy
    optimizer_state: Callable[[], dict[str, Tensor]]
    round_index: int
    is_last: bool
    rollouts_ahead: bytes = b""
    stored: Callable[[PolicyReference], object] = lambda _: None
