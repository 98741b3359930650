"""Decoding with a transformers model, dropping finished rows from the batch.

A prompt is prefilled once and its cache repeated for its samples. ``generate`` would carry every
finished row to the end of the longest one; here the last running row takes its place at once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import GroupFinished
from pmd_pipeline.engines.decoding import DecodingRows, decoding_plan
from pmd_pipeline.engines.grouped_attention import grouped_attention
from pmd_pipeline.engines.lengths import check_lengths
from pmd_pipeline.engines.probe import (
    NUM_PROBE_TOKENS,
    ProbeText,
    probe_prompts,
    prove_sampler,
    prove_trainer,
)
from pmd_pipeline.engines.sampling import draw_tokens, processed_log_probs, uniform_streams
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion

# More than one, so that a prompt's state is repeated.
_PROBE_SAMPLES = 2


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
        return self._sample(
            policy,
            prompts,
            num_samples=num_samples,
            sampling=sampling,
            seeds=seeds,
            stop_token_ids=policy.stop_token_ids,
            progress=progress,
            group_finished=group_finished,
        )

    def _prove(self, policy: Policy, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> None:
        """Probe the run's first prompts, with stops so frequent that rows leave at every step."""
        start = probe_prompts(prompts)
        groups = self._sample(
            policy,
            start,
            num_samples=_PROBE_SAMPLES,
            sampling=SamplingConfig(max_new_tokens=min(NUM_PROBE_TOKENS, max_new_tokens)),
            seeds=range(len(start)),
            stop_token_ids=range(0, policy.model.get_output_embeddings().weight.shape[0], 4),
        )
        texts = [
            ProbeText(prompt=prompt, response=sample.token_ids, log_probs=sample.log_probs)
            for prompt, group in zip(start, groups, strict=True)
            for sample in group
        ]
        prove_trainer(policy, texts)
        prove_sampler(policy, texts)

    def _sample(
        self,
        policy: Policy,
        prompts: Sequence[Sequence[int]],
        *,
        num_samples: int,
        sampling: SamplingConfig,
        seeds: Sequence[int],
        stop_token_ids: Collection[int],
        progress: Progress | None = None,
        group_finished: GroupFinished | None = None,
    ) -> list[list[Completion]]:
        batches = _batches(
            prompts,
            max(1, self._config.max_batch_size // num_samples),
            of_one_length=not decoding_plan(policy.model).can_pad,
        )
        completions: list[list[Completion]] = [[] for _ in prompts]
        with policy.autocast(), grouped_attention(policy.model):
            for rows in batches:
                batch = _decode(
                    policy,
                    [prompts[i] for i in rows],
                    [seeds[i] for i in rows],
                    num_samples,
                    sampling,
                    stop_token_ids,
                    progress,
                )
                for position, i in enumerate(rows):
                    completions[i] = batch[position * num_samples : (position + 1) * num_samples]
                    if group_finished is not None and rows is not batches[-1]:
                        group_finished(i, completions[i])
        return completions

    def _require_policy(self) -> Policy:
        if self._policy is None:
            raise ValueError("the engine has no policy: call set_policy first")
        return self._policy


def _max_positions(policy: Policy) -> int | None:
    limit = getattr(policy.model.config.get_text_config(), "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 0 else None


def _batches(
    prompts: Sequence[Sequence[int]], size: int, *, of_one_length: bool
) -> list[list[int]]:
    """Return the prompts' positions in batches, similar lengths together: less padding to read."""
    batches: list[list[int]] = []
    for i in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
        fits = bool(batches) and len(batches[-1]) < size
        if fits and not (of_one_length and len(prompts[batches[-1][0]]) != len(prompts[i])):
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


@dataclass(frozen=True, slots=True)
class _Responses:
    """What has been sampled, all rows, on the policy's device; written column by column."""

    token_ids: Tensor
    log_probs: Tensor
    lengths: Tensor
    stopped: Tensor

    @classmethod
    def none_yet(cls, num_rows: int, max_new_tokens: int, device: torch.device) -> "_Responses":
        return cls(
            token_ids=torch.zeros((num_rows, max_new_tokens), dtype=torch.int64, device=device),
            log_probs=torch.zeros((num_rows, max_new_tokens), dtype=torch.float32, device=device),
            lengths=torch.zeros(num_rows, dtype=torch.int64, device=device),
            stopped=torch.zeros(num_rows, dtype=torch.bool, device=device),
        )

    def write(
        self, step: int, rows: Tensor, tokens: Tensor, log_probs: Tensor, stops: Tensor
    ) -> None:
        self.token_ids[rows, step] = tokens
        self.log_probs[rows, step] = log_probs
        self.lengths[rows] = step + 1
        self.stopped[rows] = stops

    def completions(self) -> list[Completion]:
        columns = (self.token_ids, self.log_probs, self.lengths, self.stopped)
        return [
            Completion(
                token_ids=tuple(tokens[:length].tolist()),
                log_probs=log_probs[:length].copy(),
                truncated=not stopped,
            )
            for tokens, log_probs, length, stopped in zip(
                *(column.cpu().numpy() for column in columns), strict=True
            )
        ]


def _decode(
    policy: Policy,
    prompts: list[Sequence[int]],
    seeds: list[int],
    num_samples: int,
    sampling: SamplingConfig,
    stop_token_ids: Collection[int],
    progress: Progress | None,
) -> list[Completion]:
    num_rows, max_new, device = len(prompts) * num_samples, sampling.max_new_tokens, policy.device
    uniforms = uniform_streams(seeds, num_samples, max_new, device)
    stop_ids = torch.tensor(sorted(stop_token_ids), device=device)
    responses = _Responses.none_yet(num_rows, max_new, device)
    decoding = DecodingRows(policy, prompts)
    logits = decoding.read_prompts().repeat_interleave(num_samples, dim=0)
    rows = torch.arange(num_rows, device=device)  # the response that each row belongs to
    decoding.select(rows // num_samples)
    for step in range(max_new):
        log_probs = processed_log_probs(logits, sampling)
        tokens = draw_tokens(log_probs, uniforms[rows, step])
        chosen = log_probs.gather(-1, tokens[:, None]).squeeze(-1)
        stops = torch.isin(tokens, stop_ids)
        responses.write(step, rows, tokens, chosen, stops)
        stops = stops.cpu()
        num_stopped = int(stops.sum())
        if progress is not None and num_stopped > 0:
            progress.update(num_stopped)
        if num_stopped == len(stops) or step + 1 == max_new:
            break
        if num_stopped > 0:
            living = _living_rows(stops).to(device)
            decoding.select(living)
            rows, tokens = rows[living], tokens[living]
        logits = decoding.read(tokens)
    if progress is not None:
        progress.update(int((~responses.stopped).sum()))
    return responses.completions()


def _living_rows(stops: Tensor) -> Tensor:
    """Return the rows to keep: each in its place, the last ones in those of stopped rows."""
    num_kept = int((~stops).sum())
    living = torch.arange(num_kept)
    living[stops[:num_kept]] = num_kept + (~stops[num_kept:]).nonzero().squeeze(-1)
    return living
