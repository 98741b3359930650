"""Drawing tokens from logits with a stream of uniform numbers per response."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pmd_pipeline.config.sampling import SamplingConfig


def uniform_stream(seed: int, sample: int, num_tokens: int) -> NDArray[np.float32]:
    """Return the uniform numbers that decide a response's tokens: float32 in [0, 1), [T].

    They depend on the prompt's seed and the sample's place in its group alone, so a response does
    not depend on what else is in its batch.
    """
    return np.random.default_rng((seed, sample)).random(num_tokens, dtype=np.float32)


class Drawn(NamedTuple):
    """One token per row, int64 [B], and its log-prob, nats, float32 [B]."""

    tokens: Tensor
    log_probs: Tensor


def draw_tokens(logits: Tensor, uniforms: Tensor, sampling: SamplingConfig) -> Drawn:
    """Draw one token per row by inverting the cumulative distribution.

    The sums that decide the token normalise its log-prob too: one pass over the vocabulary.

    Args:
        logits: The model's, [B, V].
        uniforms: In [0, 1), float32 [B].
        sampling: Temperature, top_k, top_p.

    Returns:
        Tokens, never one of probability zero, and their log-probs under the distribution that they
        were drawn from.
    """
    scores = allowed_scores(logits, sampling)
    best = scores.amax(dim=-1, keepdim=True)
    cumulative = (scores - best).exp_().cumsum_(dim=-1)
    total = cumulative[:, -1:]
    # Rounding may raise u * total to the total itself, past the last token with any mass.
    below_total = torch.nextafter(total, torch.zeros_like(total))
    target = torch.minimum(uniforms[:, None] * total, below_total)
    tokens = torch.searchsorted(cumulative, target, right=True)
    log_probs = scores.gather(-1, tokens) - best - total.log()
    return Drawn(tokens.squeeze(-1), log_probs.squeeze(-1))


def allowed_scores(logits: Tensor, sampling: SamplingConfig) -> Tensor:
    """Return logits of the sampling distribution; they are not normalised.

    Temperature first, then top_k, then top_p.

    Args:
        logits: [B, V].
        sampling: Temperature, top_k, top_p.

    Returns:
        float32 [B, V]; minus infinity where a token is excluded.
    """
    scores = logits.float()
    if sampling.temperature != 1:
        scores = scores / sampling.temperature
    if sampling.keeps_full_support:
        return scores
    descending, order = scores.sort(dim=-1, descending=True, stable=True)
    excluded = torch.zeros_like(descending, dtype=torch.bool)
    if 0 < sampling.top_k < scores.shape[-1]:
        excluded[:, sampling.top_k :] = True
    if sampling.top_p < 1:
        probs = descending.masked_fill(excluded, -torch.inf).softmax(dim=-1)
        # A token is kept if the mass before it is below top_p: the best one always is.
        excluded |= probs.cumsum(dim=-1) - probs >= sampling.top_p
        excluded[:, 0] = False
    return scores.masked_fill(torch.empty_like(excluded).scatter(-1, order, excluded), -torch.inf)
