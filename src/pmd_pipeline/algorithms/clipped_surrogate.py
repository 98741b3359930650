"""The clipped surrogate of PPO, GRPO and GSPO."""

import math

import torch
from torch import Tensor

from pmd_pipeline.algorithms.checks import check_per_rollout


def clipped_surrogate_loss(
    log_ratio: Tensor,
    advantage: Tensor,
    *,
    clip_low: float,
    clip_high: float,
    dual_clip: float | None = None,
) -> Tensor:
    """Return the unreduced clipped surrogate loss.

    With ratio ``rho = exp(log_ratio)`` it is
    ``max(-A * rho, -A * clip(rho, 1 - clip_low, 1 + clip_high))``, and with ``dual_clip`` = c at
    most ``-A * c`` where ``A < 0``. Each case bounds rho on one side alone: from above where
    ``A >= 0``, from below (and by c from above) where ``A < 0``. That form is used, on the
    log-ratio, so that a ratio too large to represent costs no NaN where it is clipped away.

    Args:
        log_ratio: Current minus behaviour log-prob, nats, [B, T]; for a sequence-level ratio
            [B, 1].
        advantage: [B]; carries no gradient.
        clip_low: In (0, 1].
        clip_high: Positive.
        dual_clip: Greater than 1, or None.

    Returns:
        Loss per token, in the advantage's units, [B, T]. Infinite where the advantage is negative
        and the unclipped ratio overflows.

    Raises:
        ValueError: If the shapes do not fit or a bound is out of range.

    Source: PPO, arXiv:1707.06347, equation 7; separate bounds: DAPO, arXiv:2503.14476; dual clip:
        Ye et al., arXiv:1912.09729, equation 3.
    """
    lowest, highest = _log_ratio_bounds(log_ratio, advantage, clip_low, clip_high, dual_clip)
    return -advantage.detach()[:, None] * log_ratio.clamp(lowest, highest).exp()


def is_clipped(
    log_ratio: Tensor,
    advantage: Tensor,
    *,
    clip_low: float,
    clip_high: float,
    dual_clip: float | None = None,
) -> Tensor:
    """Return True where clipping takes the gradient away, [B, T]; arguments as for the loss.

    Never True where the advantage is 0: there is no gradient to take.
    """
    lowest, highest = _log_ratio_bounds(log_ratio, advantage, clip_low, clip_high, dual_clip)
    outside = (log_ratio < lowest) | (log_ratio > highest)
    return outside & (advantage != 0)[:, None]


def _log_ratio_bounds(
    log_ratio: Tensor,
    advantage: Tensor,
    clip_low: float,
    clip_high: float,
    dual_clip: float | None,
) -> tuple[Tensor, Tensor]:
    """Return the bounds of each rollout's log-ratios, [B, 1] each."""
    if log_ratio.ndim != 2:
        raise ValueError(f"log_ratio must be [B, T], found {list(log_ratio.shape)}")
    check_per_rollout("advantage", advantage, len(log_ratio))
    if not 0 < clip_low <= 1:
        raise ValueError(f"clip_low must lie in (0, 1], found {clip_low}")
    if not 0 < clip_high < math.inf:
        raise ValueError(f"clip_high must be positive and finite, found {clip_high}")
    if dual_clip is not None and not 1 < dual_clip < math.inf:
        raise ValueError(f"dual_clip must be finite and greater than 1, found {dual_clip}")
    log_low = math.log1p(-clip_low) if clip_low < 1 else -math.inf
    log_dual = math.inf if dual_clip is None else math.log(dual_clip)
    negative = (advantage < 0)[:, None]
    unbounded = log_ratio.new_tensor(math.inf)
    lowest = torch.where(negative, log_ratio.new_tensor(log_low), -unbounded)
    highest = torch.where(
        negative, log_ratio.new_tensor(log_dual), log_ratio.new_tensor(math.log1p(clip_high))
    )
    return lowest, highest
