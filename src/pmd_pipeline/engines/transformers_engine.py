"""Decoding with a transformers model, dropping finished rows from the batch.

A prompt is prefilled once and its cache repeated for its samples. ``generate`` would carry every
finished row to the end of the longest one; here the last running row takes its place at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.base import GroupFinished
from pmd_pipeline.engines.grouped_attention import grouped_attention
from pmd_pipeline.engines.growing_cache import growing_cache
from pmd_pipeline.engines.lengths import check_lengths
from pmd_pipeline.engines.sampling import draw_tokens, processed_log_probs, uniform_streams
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion


class TransformersEngine:
    """Samples from the trainer's own model, so its weights are never stale."""

    runs_policy_model = True

    def __init__(self, config: TransformersEngineConfig) -> None:
        self._config = config
        self._policy: Policy | None = None

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
        """
        policy = self._require_policy()
        check_lengths(
            prompts,
            seeds,
            sampling,
            limit=getattr(policy.model.config, "max_position_embeddings", None),
            what="positions of the model",
        )
        policy.model.eval()
        # Prompts of similar length together: less padding in the prefill.
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        prompts_per_batch = max(1, self._config.max_batch_size // num_samples)
        completions: list[list[Completion]] = [[] for _ in prompts]
        with policy.autocast(), grouped_attention(policy.model):
            for start in range(0, len(order), prompts_per_batch):
                rows = order[start : start + prompts_per_batch]
                batch = _decode(
                    policy,
                    [prompts[i] for i in rows],
                    [seeds[i] for i in rows],
                    num_samples,
                    sampling,
                    progress,
                )
                for position, i in enumerate(rows):
                    completions[i] = batch[position * num_samples : (position + 1) * num_samples]
                    if group_finished is not None and start + prompts_per_batch < len(order):
                        group_finished(i, completions[i])
        return completions

    def _require_policy(self) -> Policy:
        if self._policy is None:
            raise ValueError("the engine has no policy: call set_policy first")
        return self._policy


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


@dataclass(slots=True)
class _Batch:
    """The rows that are still being decoded.

    Attributes:
        rows: The response that each row belongs to, [B].
        cache: Keys and values.
        prompt_mask: 1 on prompts, 0 on the padding to their left, [B, P]; None without padding.
        prompt_lengths: [B].
    """

    rows: Tensor
    cache: DynamicCache
    prompt_mask: Tensor | None
    prompt_lengths: Tensor

    def select(self, indices: Tensor) -> None:
        """Make row i what row ``indices[i]`` was."""
        self.rows = self.rows[indices]
        self.cache.batch_select_indices(indices)
        self.prompt_lengths = self.prompt_lengths[indices]
        if self.prompt_mask is not None:
            self.prompt_mask = self.prompt_mask[indices]

    def forward(self, policy: Policy, tokens: Tensor, step: int) -> Tensor:
        """Return the logits that follow the responses' token of ``step``, [B, V]."""
        mask = self.prompt_mask
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(len(tokens), step + 1)], dim=1)
        output = policy.model(
            input_ids=tokens[:, None],
            attention_mask=mask,
            position_ids=(self.prompt_lengths + step)[:, None],
            past_key_values=self.cache,
            use_cache=True,
        )
        return output.logits[:, -1]  # type: ignore[no-any-return]


def _decode(
    policy: Policy,
    prompts: list[Sequence[int]],
    seeds: list[int],
    num_samples: int,
    sampling: SamplingConfig,
    progress: Progress | None,
) -> list[Completion]:
    num_rows, max_new, device = len(prompts) * num_samples, sampling.max_new_tokens, policy.device
    uniforms = uniform_streams(seeds, num_samples, max_new, device)
    stop_ids = torch.tensor(sorted(policy.stop_token_ids), device=device)
    responses = _Responses.none_yet(num_rows, max_new, device)
    logits, batch = _prefill(policy, prompts, num_samples)
    for step in range(max_new):
        log_probs = processed_log_probs(logits, sampling)
        tokens = draw_tokens(log_probs, uniforms[batch.rows, step])
        chosen = log_probs.gather(-1, tokens[:, None]).squeeze(-1)
        stops = torch.isin(tokens, stop_ids)
        responses.write(step, batch.rows, tokens, chosen, stops)
        stops = stops.cpu()
        num_stopped = int(stops.sum())
        if progress is not None and num_stopped > 0:
            progress.update(num_stopped)
        if num_stopped == len(stops) or step + 1 == max_new:
            break
        if num_stopped > 0:
            living = _living_rows(stops).to(device)
            batch.select(living)
            tokens = tokens[living]
        logits = batch.forward(policy, tokens, step)
    if progress is not None:
        progress.update(int((~responses.stopped).sum()))
    return responses.completions()


def _living_rows(stops: Tensor) -> Tensor:
    """Return the rows to keep: each in its place, the last ones in those of stopped rows."""
    num_kept = int((~stops).sum())
    living = torch.arange(num_kept)
    living[stops[:num_kept]] = num_kept + (~stops[num_kept:]).nonzero().squeeze(-1)
    return living


def _prefill(
    policy: Policy, prompts: list[Sequence[int]], num_samples: int
) -> tuple[Tensor, _Batch]:
    """Return the logits after each prompt, for each of its samples, [B, V], and their rows."""
    width = max(map(len, prompts))
    token_ids = torch.full((len(prompts), width), policy.pad_token_id)
    mask = torch.zeros_like(token_ids)
    for row, prompt in enumerate(prompts):
        token_ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    has_padding = not bool(mask.all())
    token_ids, mask = token_ids.to(policy.device), mask.to(policy.device)
    cache = growing_cache(policy.model.config)
    output = policy.model(
        input_ids=token_ids,
        attention_mask=mask if has_padding else None,
        position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    cache.batch_repeat_interleave(num_samples)
    mask = mask.repeat_interleave(num_samples, dim=0)
    batch = _Batch(
        rows=torch.arange(len(mask), device=policy.device),
        cache=cache,
        prompt_mask=mask if has_padding else None,
        prompt_lengths=mask.sum(dim=1),
    )
    return output.logits[:, -1].repeat_interleave(num_samples, dim=0), batch
