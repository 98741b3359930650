"""Decoding with a transformers model, the batch kept full of responses that still run.

A prompt is read once and its cache repeated for its samples. ``generate`` would carry every
finished row to the end of the longest one; here a waiting response takes its place at once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import GroupFinished, RolloutEngine
from pmd_pipeline.engines.batching import sample_unit
from pmd_pipeline.engines.grouped_attention import grouped_attention
from pmd_pipeline.engines.lengths import check_lengths, max_positions
from pmd_pipeline.engines.probe import (
    Probe,
    ProbeText,
    prove_sampler,
    prove_trainer,
)
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion

# More than one, so that a prompt's state is repeated.
_PROBE_SAMPLES = 2
# Fewer than responses, so that some begin while others are under way.
_PROBE_ROWS = 5


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A unit that is sampled when it is collected, and the version to sample it from."""

    unit: Unit
    version: int


class TransformersEngine(RolloutEngine):
    """Samples from the trainer's own model, in this process: its weights are never stale.

    A unit is sampled when it is collected.
    """

    runs_policy_model = True

    def __init__(self, config: TransformersEngineConfig) -> None:
        self.unit_size = config.unit_size
        self._config = config
        self._policy: Policy | None = None
        self._is_proven = False
        self._beside: RolloutEngine | None = None

    def publish(self, policy: Policy) -> int:
        """Sample from ``policy`` itself; see :class:`RolloutEngine`."""
        self._policy = policy
        return policy.policy_version

    def submit(self, units: Sequence[Unit], version: int) -> list[_Submitted]:
        """Check units and the policy; see :class:`RolloutEngine`.

        Raises:
            ValueError: If no policy is published, ``version`` is not its version, a prompt is
                empty, or a prompt and the longest response exceed the positions that the model
                knows.
            WrongLogProbsError: If trainer, sampler and the model itself do not agree.
        """
        policy = self._published(version)
        check_lengths(units, limit=max_positions(policy), what="positions of the model")
        if units and not self._is_proven:
            policy.model.eval()
            self._prove(policy, Probe.of(units[0]))
            self._is_proven = True
        return [_Submitted(unit, version) for unit in units]

    @torch.no_grad()
    def collect(
        self,
        handle: _Submitted,
        *,
        progress: Progress | None = None,
        group_finished: GroupFinished | None = None,
    ) -> list[list[Completion]]:
        """Sample a unit; see :class:`RolloutEngine`.

        Raises:
            ValueError: If the policy has been updated since the unit was submitted.
        """
        policy = self._published(handle.version)
        policy.model.eval()
        with _decoding(policy):
            return sample_unit(
                policy,
                handle.unit,
                max_rows=self._config.max_batch_size,
                progress=progress,
                group_finished=group_finished,
            )

    def beside_training(self) -> RolloutEngine:
        """Return an engine that samples from a copy of the policy in a process of its own."""
        from pmd_pipeline.engines.copies_engine import CopiesEngine

        if self._beside is None:
            self._beside = CopiesEngine(self._config)
        return self._beside

    def close(self) -> None:
        """Release the policy."""
        self._policy = None
        if self._beside is not None:
            self._beside.close()

    @torch.no_grad()
    def _prove(self, policy: Policy, probe: Probe) -> None:
        """Probe the run's first prompts, with stops so frequent that rows leave at every step."""
        unit = Unit(
            prompts=probe.prompts,
            seeds=range(len(probe.prompts)),
            num_samples=_PROBE_SAMPLES,
            sampling=SamplingConfig(max_new_tokens=probe.num_tokens),
        )
        with _decoding(policy):
            groups = sample_unit(
                policy,
                unit,
                max_rows=_PROBE_ROWS,
                stop_token_ids=range(0, policy.model.get_output_embeddings().weight.shape[0], 4),
            )
        texts = [
            ProbeText(prompt=prompt, response=sample.token_ids, log_probs=sample.log_probs)
            for prompt, group in zip(probe.prompts, groups, strict=True)
            for sample in group
        ]
        prove_trainer(policy, texts)
        prove_sampler(policy, texts)

    def _published(self, version: int) -> Policy:
        if self._policy is None:
            raise ValueError("the engine has no policy: call publish first")
        if self._policy.policy_version != version:
            raise ValueError(
                f"version {version} of the policy is to be sampled from, but the policy is at "
                f"version {self._policy.policy_version}: publish it first, and update it when what "
                "was submitted has been collected"
            )
        return self._policy


@contextmanager
def _decoding(policy: Policy) -> Iterator[None]:
    with policy.autocast(), grouped_attention(policy.model):
        yield
