"""Decoding with a transformers model, finished rows dropped from the batch.

A prompt is prefilled once and its cache repeated for its samples. ``generate`` would carry every
finished row to the end of the longest one; here they leave every few tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from pmd_pipeline.config.engines import TransformersEngineConfig
from pmd_pipeline.config.sampling import SamplingConfig
from pmd_pipeline.engines.sampling import draw_tokens, processed_log_probs, uniform_streams
from pmd_pipeline.policies.policy import Policy
from pmd_pipeline.progress import Progress
from pmd_pipeline.records import Completion


class TransformersEngine:
    """Samples from the trainer's own model, so that its weights are never stale."""

    runs_policy_model = True

    def __init__(self, config: TransformersEngineConfig) -> None:
        self._config = config
        self._policy: Policy | None = None

    def set_policy(self, policy: Policy) -> None:
        """Sample from ``policy``; its later in-place updates are seen without another call."""
        self._policy = policy

    def close(self) -> None:
        """Let go of the policy."""
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
    ) -> list[list[Completion]]:
        """Return ``num_samples`` responses per prompt; see :class:`RolloutEngine`.

        Raises:
            ValueError: If no policy is set, a prompt is empty, or a prompt and the longest
                response exceed the positions that the model knows.
        """
        policy = self._require_policy()
        _check_lengths(policy, prompts, sampling)
        if len(seeds) != len(prompts):
            raise ValueError(f"one seed per prompt: {len(prompts)} prompts, {len(seeds)} seeds")
        policy.model.eval()
        # Prompts of like length together: less padding in the prefill.
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        prompts_per_batch = max(1, self._config.max_batch_size // num_samples)
        completions: list[list[Completion]] = [[] for _ in prompts]
        with policy.autocast():
            for start in range(0, len(order), prompts_per_batch):
                rows = order[start : start + prompts_per_batch]
                batch = _decode(
                    policy,
                    [prompts[i] for i in rows],
                    [seeds[i] for i in rows],
                    num_samples,
                    sampling,
                    self._config.compact_every,
                    progress,
                )
                for position, i in enumerate(rows):
                    completions[i] = batch[position * num_samples : (position + 1) * num_samples]
        return completions

    def _require_policy(self) -> Policy:
        if self._policy is None:
            raise ValueError("the engine has no policy: call set_policy first")
        return self._policy


@dataclass(slots=True)
class _Responses:
    """What has been sampled, all rows; written column by column."""

    token_ids: np.ndarray
    log_probs: np.ndarray
    lengths: np.ndarray = field(init=False)
    stopped: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.lengths = np.zeros(len(self.token_ids), dtype=np.int64)
        self.stopped = np.zeros(len(self.token_ids), dtype=bool)

    def completions(self) -> list[Completion]:
        return [
            Completion(
                token_ids=tuple(tokens[:length].tolist()),
                log_probs=log_probs[:length].copy(),
                truncated=not stopped,
            )
            for tokens, log_probs, length, stopped in zip(
                self.token_ids, self.log_probs, self.lengths, self.stopped, strict=True
            )
        ]


def _decode(
    policy: Policy,
    prompts: list[Sequence[int]],
    seeds: list[int],
    num_samples: int,
    sampling: SamplingConfig,
    compact_every: int,
    progress: Progress | None,
) -> list[Completion]:
    device = policy.device
    num_rows, max_new = len(prompts) * num_samples, sampling.max_new_tokens
    uniforms = uniform_streams(seeds, num_samples, max_new, device)
    stop_ids = torch.tensor(sorted(policy.stop_token_ids), device=device)
    responses = _Responses(
        token_ids=np.zeros((num_rows, max_new), dtype=np.int64),
        log_probs=np.zeros((num_rows, max_new), dtype=np.float32),
    )

    logits, cache, prompt_mask = _prefill(policy, prompts)
    cache.batch_repeat_interleave(num_samples)
    logits = logits.repeat_interleave(num_samples, dim=0)
    prompt_mask = prompt_mask.repeat_interleave(num_samples, dim=0)
    mask = torch.cat([prompt_mask, prompt_mask.new_ones(num_rows, max_new)], dim=1)
    prompt_lengths, width = prompt_mask.sum(dim=1), prompt_mask.shape[1]
    rows = torch.arange(num_rows, device=device)  # the response that each batch row belongs to
    alive = torch.ones(num_rows, dtype=torch.bool, device=device)

    for step in range(max_new):
        log_probs = processed_log_probs(logits, sampling)
        tokens = draw_tokens(log_probs, uniforms[rows, step])
        chosen = log_probs.gather(-1, tokens[:, None]).squeeze(-1)
        stops = torch.isin(tokens, stop_ids)
        _record(responses, step, rows, alive, tokens, chosen, stops, progress)
        alive = alive & ~stops
        num_alive = int(alive.sum())
        if num_alive == 0 or step + 1 == max_new:
            break
        if num_alive < len(alive) and (step + 1) % compact_every == 0:
            kept = alive.nonzero().squeeze(-1)
            cache.batch_select_indices(kept)
            mask, rows, alive, tokens = mask[kept], rows[kept], alive[kept], tokens[kept]
            prompt_lengths = prompt_lengths[kept]
        output = policy.model(
            input_ids=tokens[:, None],
            attention_mask=mask[:, : width + step + 1],
            position_ids=(prompt_lengths + step)[:, None],
            past_key_values=cache,
            use_cache=True,
        )
        logits = output.logits[:, -1]
    if progress is not None:
        progress.update(int((~responses.stopped).sum()))
    return responses.completions()


def _prefill(policy: Policy, prompts: list[Sequence[int]]) -> tuple[Tensor, DynamicCache, Tensor]:
    """Return the last position's logits [P, V], the cache, and the left-padded prompts' mask."""
    width = max(map(len, prompts))
    token_ids = torch.full((len(prompts), width), policy.pad_token_id)
    mask = torch.zeros_like(token_ids)
    for row, prompt in enumerate(prompts):
        token_ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    token_ids, mask = token_ids.to(policy.device), mask.to(policy.device)
    cache = DynamicCache(config=policy.model.config)
    output = policy.model(
        input_ids=token_ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return output.logits[:, -1], cache, mask


def _record(
    responses: _Responses,
    step: int,
    rows: Tensor,
    alive: Tensor,
    tokens: Tensor,
    log_probs: Tensor,
    stops: Tensor,
    progress: Progress | None,
) -> None:
    keep = alive.cpu().numpy()
    written = rows.cpu().numpy()[keep]
    responses.token_ids[written, step] = tokens.cpu().numpy()[keep]
    responses.log_probs[written, step] = log_probs.cpu().numpy()[keep]
    responses.lengths[written] = step + 1
    stopped = stops.cpu().numpy()[keep]
    responses.stopped[written] = stopped
    if progress is not None and stopped.any():
        progress.update(int(stopped.sum()))


def _check_lengths(
    policy: Policy, prompts: Sequence[Sequence[int]], sampling: SamplingConfig
) -> None:
    longest, shortest = max(map(len, prompts)), min(map(len, prompts))
    if shortest == 0:
        raise ValueError("a prompt has no tokens; drop it, or begin it with a special token")
    limit = getattr(policy.model.config, "max_position_embeddings", None)
    if limit is not None and longest + sampling.max_new_tokens > limit:
        raise ValueError(
            f"a prompt of {longest} tokens and max_new_tokens {sampling.max_new_tokens} exceed "
            f"the {limit} positions of the model; lower sampling.max_new_tokens or "
            "data_preparation.max_prompt_tokens"
        )
