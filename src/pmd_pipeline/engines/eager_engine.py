"""Sampling ahead of training without another process: first all is sampled, then trained."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.engines.base import GroupFinished, RolloutEngine
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.policies.skeleton import named_tensors, with_empty_weights, without_weights
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion


class EagerEngine(RolloutEngine):
    """Samples a unit as soon as it is submitted, from a copy of the policy in this process.

    Sampling and training take turns, which costs nothing where there is one core for both; the
    responses are those of an engine that samples beside training.
    """

    runs_policy_model = True

    def __init__(self, config: TransformersEngineConfig) -> None:
        self._engine = TransformersEngine(config)
        self._policy: Policy | None = None
        self._copy: Policy | None = None
        self.unit_size = config.unit_size

    @torch.no_grad()
    def publish(self, policy: Policy) -> int:
        """Copy the policy's present weights; see :class:`RolloutEngine`."""
        if self._copy is None or policy is not self._policy:
            model = with_empty_weights(without_weights(policy.model), policy.device)
            self._policy, self._copy = policy, replace(policy, model=model)
        own = dict(named_tensors(self._copy.model))
        for name, tensor in named_tensors(policy.model):
            own[name].copy_(tensor)
        self._copy.policy_version = policy.policy_version
        return self._engine.publish(self._copy)

    def submit(self, units: Sequence[Unit], version: int) -> list[list[list[Completion]]]:
        """Sample units; see :meth:`TransformersEngine.submit`."""
        return [self._engine.collect(handle) for handle in self._engine.submit(units, version)]

    def collect(
        self,
        handle: list[list[Completion]],
        *,
        progress: Progress | None = None,
        group_finished: GroupFinished | None = None,
    ) -> list[list[Completion]]:
        """Return a unit's responses; see :class:`RolloutEngine`."""
        if progress is not None:
            progress.update(sum(map(len, handle)))
        return handle

    def beside_training(self) -> RolloutEngine:
        """Return this engine: what it has sampled needs the policy no longer."""
        return self

    def close(self) -> None:
        """Release the policy and its copy."""
        self._engine.close()
        self._policy = self._copy = None
