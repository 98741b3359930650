"""Decoding with a transformers model, the batch kept full of responses that still run.

A prompt is read once and its cache repeated for its samples. ``generate`` would carry every
finished row to the end of the longest one; here a waiting response takes its place at once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import GroupFinished
from pmd_pipeline.engines.batching import Unit, sample_unit
from pmd_pipeline.engines.grouped_attention import grouped_attention
from pmd_pipeline.engines.lengths import check_lengths
from pmd_pipeline.engines.probe import (
    NUM_PROBE_TOKENS,
    ProbeText,
    probe_prompts,
    prove_sampler,
    prove_trainer,
)
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion

# More than one, so that a prompt's state is repeated.
_PROBE_SAMPLES = 2
# Fewer than responses, so that some begin while others are under way.
_PROBE_ROWS = 5


class TransformersEngine:
    """Samples from the trainer's own model, so its weights are never stale."""

    runs_policy_model = True

    def __init__(self, config: TransformersEngineConfig) -> None:
        self._config = config
        self._policy: Policy | None = None
        self._is_proven = False

    def set_policy(self, policy: Policy) -> None:
        """Sample from ``policy``; later in-place updates take effect without another call."""
        self._policy = policy

    def close(self) -> None:
        """Release the policy."""
        self._policy = None

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        num_samples: int,
        sampling: SamplingConfig,
        seeds: Sequence[int],
        progress: Progress | None = None,
        group_finished: GroupFinished | None = None,
    ) -> list[list[Completion]]:
        """Return ``num_samples`` responses per prompt; see :class:`RolloutEngine`.

        Raises:
            ValueError: If no policy is set, a prompt is empty, or a prompt and the longest
                response exceed the positions that the model knows.
            WrongLogProbsError: If trainer, sampler and the model itself do not agree.
        """
        policy = self._require_policy()
        check_lengths(
            prompts,
            seeds,
            sampling,
            limit=_max_positions(policy),
            what="positions of the model",
        )
        policy.model.eval()
        if not self._is_proven:
            self._prove(policy, prompts, sampling.max_new_tokens)
            self._is_proven = True
        unit = Unit(
            prompts=prompts,
            seeds=seeds,
            num_samples=num_samples,
            sampling=sampling,
            stop_token_ids=policy.stop_token_ids,
            max_rows=self._config.max_batch_size,
        )
        with _decoding(policy):
            return sample_unit(policy, unit, progress=progress, group_finished=group_finished)

    def _prove(self, policy: Policy, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> None:
        """Probe the run's first prompts, with stops so frequent that rows leave at every step."""
        start = probe_prompts(prompts)
        unit = Unit(
            prompts=start,
            seeds=range(len(start)),
            num_samples=_PROBE_SAMPLES,
            sampling=SamplingConfig(max_new_tokens=min(NUM_PROBE_TOKENS, max_new_tokens)),
            stop_token_ids=range(0, policy.model.get_output_embeddings().weight.shape[0], 4),
            max_rows=_PROBE_ROWS,
        )
        with _decoding(policy):
            groups = sample_unit(policy, unit)
        texts = [
            ProbeText(prompt=prompt, response=sample.token_ids, log_probs=sample.log_probs)
            for prompt, group in zip(start, groups, strict=True)
            for sample in group
        ]
        prove_trainer(policy, texts)
        prove_sampler(policy, texts)

    def _require_policy(self) -> Policy:
        if self._policy is None:
            raise ValueError("the engine has no policy: call set_policy first")
        return self._policy


@contextmanager
def _decoding(policy: Policy) -> Iterator[None]:
    with policy.autocast(), grouped_attention(policy.model):
        yield


def _max_positions(policy: Policy) -> int | None:
    limit = getattr(policy.model.config.get_text_config(), "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 0 else None
