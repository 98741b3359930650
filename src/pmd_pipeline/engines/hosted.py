"""What differs between the engines that a sampler on another node can host: the driver's side.

The object that is hosted has the methods ``facts``, ``sample`` and ``score``, and those that the
orders of a :class:`Publication` name.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pmd_pipeline.engines.probe import ProbeText
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy

Ship = Callable[[Path], Any]
"""Puts a folder's files where all nodes can get them; returns what stands for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A call that a sampler gets to have a policy's weights.

    Attributes:
        method: Of the hosted object.
        arguments: By name.
        files: Folders of files that were shipped, by the names of their arguments.
    """

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A version of a policy, as samplers get it.

    Attributes:
        version: The policy's.
        for_new: Orders for a sampler that has nothing yet.
        for_others: Orders for one that has the version before.
    """

    version: int
    for_new: Sequence[Order]
    for_others: Sequence[Order]


class HostedEngine(ABC):
    """An engine as samplers on other nodes host it.

    Attributes:
        target: The hosted object's class.
        runs_policy_model: See `RolloutEngine`.
        timeout_seconds: For starting, and for loading weights.
    """

    target: str
    runs_policy_model: bool
    timeout_seconds: float

    @abstractmethod
    def num_gpus(self, policy: Policy) -> int:
        """Return on how many GPUs one computes, given the trainer's policy."""

    @abstractmethod
    def publication(self, policy: Policy, ship: Ship, *, num_gpus: int) -> Publication:
        """Return a policy's present weights, shipped.

        Args:
            policy: The policy.
            ship: Ships files.
            num_gpus: That each sampler has.
        """

    @abstractmethod
    def forget(self) -> None:
        """Forget what was shipped: the samplers that come next are on a cluster without it."""

    @abstractmethod
    def unit_arguments(self, unit: Unit, policy: Policy, version: int) -> dict[str, Any]:
        """Return the arguments of ``sample``, which returns the responses to each prompt."""

    @abstractmethod
    def score_arguments(
        self, prompts: Sequence[Sequence[int]], num_tokens: int, version: int
    ) -> dict[str, Any]:
        """Return the arguments of ``score``."""

    @abstractmethod
    def probe_texts(self, scored: Any) -> list[ProbeText]:
        """Return what ``score`` has returned as texts."""

    @abstractmethod
    def prove_trainer(self, policy: Policy, texts: Sequence[ProbeText]) -> None:
        """Prove the trainer's log-probs on the first texts, if no sampler has."""

    @abstractmethod
    def tolerance(self, policy: Policy) -> float:
        """Return the largest mean difference of log-probs between a sampler and the trainer."""

    @abstractmethod
    def length_limit(
        self, policy: Policy, ask: Callable[[str], list[Any]]
    ) -> tuple[int | None, str]:
        """Return the most tokens of prompt and response, and what sets that limit.

        Args:
            policy: The policy.
            ask: Returns what each sampler's method of a name returns.
        """
