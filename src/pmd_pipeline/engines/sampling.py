"""Sampling tokens from logits with a stream of uniform numbers per response."""

import numpy as np
import torch
from torch import Tensor

from pmd_pipeline.config.sampling import SamplingConfig


def uniform_streams(
    seeds: list[int], num_samples: int, num_tokens: int, device: torch.device
) -> Tensor:
    """Return the uniform numbers that decide every token: float32 in [0, 1), [B, T].

    Row ``i * num_samples + j`` belongs to sample j of prompt i and depends only on ``seeds[i]`` and
    j, so a response does not depend on what else is in its batch.
    """
    rows = [
        np.random.default_rng((seed, sample)).random(num_tokens, dtype=np.float32)
        for seed in seeds
        for sample in range(num_samples)
    ]
    return torch.from_numpy(np.stack(rows)).to(device)


def processed_log_probs(logits: Tensor, sampling: SamplingConfig) -> Tensor:
    """Return the log-probs of the sampling distribution.

    Temperature first, then top_k, then top_p; the kept tokens are renormalised.

    Args:
        logits: [B, V].
        sampling: Temperature, top_k, top_p.

    Returns:
        float32 [B, V]; minus infinity where a token is excluded.
    """
    log_probs = (logits.float() / sampling.temperature).log_softmax(dim=-1)
    if sampling.keeps_full_support:
        return log_probs
    descending, order = log_probs.sort(dim=-1, descending=True, stable=True)
    excluded = torch.zeros_like(descending, dtype=torch.bool)
    if 0 < sampling.top_k < log_probs.shape[-1]:
        excluded[:, sampling.top_k :] = True
        descending = descending.masked_fill(excluded, -torch.inf).log_softmax(dim=-1)
    if sampling.top_p < 1:
        probs = descending.exp()
        # A token is kept if the mass before it is below top_p: the best one always is.
        excluded |= probs.cumsum(dim=-1) - probs >= sampling.top_p
        excluded[:, 0] = False
    kept = descending.masked_fill(excluded, -torch.inf).log_softmax(dim=-1)
    return torch.empty_like(kept).scatter(-1, order, kept)


def draw_tokens(log_probs: Tensor, uniforms: Tensor) -> Tensor:
    """Return one token per row by inverting the cumulative distribution.

    Args:
        log_probs: [B, V], minus infinity where a token is excluded.
        uniforms: In [0, 1), [B].

    Returns:
        int64 [B]; never a token of probability zero.
    """
    cumulative = log_probs.exp().cumsum(dim=-1)
    total = cumulative[:, -1:]
    # Rounding may raise u * total to the total itself, past the last token with any mass.
    below_total = torch.nextafter(total, torch.zeros_like(total))
    target = torch.minimum(uniforms[:, None] * total, below_total)
    return torch.searchsorted(cumulative, target, right=True).squeeze(-1)
