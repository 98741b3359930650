"""A process that samples from a copy of the policy; its side of :class:`CopiesEngine`."""

from collections.abc import Sequence
from pathlib import Path

import torch

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.copied_policy import load_tensors, policy_from
from pmd_pipeline.engines.probe import ProbeText
from pmd_pipeline.engines.transformers_engine import TransformersEngine
from pmd_pipeline.engines.units import Unit
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.processes.server import Report, serve


class PolicySampler:
    """One copy of a policy, and the engine that samples from it."""

    def start(
        self, skeleton: Policy, config: TransformersEngineConfig, device: str, num_threads: int
    ) -> None:
        """Make room for a policy.

        Args:
            skeleton: The policy without its tensors' content.
            config: The engine's.
            device: Where the copy lies.
            num_threads: Of torch on a CPU; other numbers give other last bits.
        """
        torch.set_num_threads(num_threads)
        self._policy = policy_from(skeleton, torch.device(device))
        self._engine = TransformersEngine(config)

    def load(self, path: Path, version: int) -> None:
        """Replace the copy's tensors by those of a file."""
        load_tensors(self._policy, path, version)
        self._engine.publish(self._policy)

    def generate(self, unit: Unit, version: int, report: Report) -> None:
        """Sample a unit; report each prompt's position and its responses as soon as they finish."""
        reported: set[int] = set()

        def pass_on(position: int, group: object) -> None:
            reported.add(position)
            report((position, group))

        (handle,) = self._engine.submit([unit], version)
        groups = self._engine.collect(handle, group_finished=pass_on)
        for position, group in enumerate(groups):
            if position not in reported:
                report((position, group))

    def score(
        self, prompts: Sequence[Sequence[int]], max_new_tokens: int, version: int
    ) -> list[ProbeText]:
        """Return each prompt with a few sampled tokens and their log-probs."""
        groups = self._engine.generate(
            prompts,
            version=version,
            num_samples=1,
            sampling=SamplingConfig(max_new_tokens=max_new_tokens),
            seeds=range(len(prompts)),
        )
        return [
            ProbeText(prompt=prompt, response=sample.token_ids, log_probs=sample.log_probs)
            for prompt, (sample,) in zip(prompts, groups, strict=True)
        ]


if __name__ == "__main__":
    serve(PolicySampler)
