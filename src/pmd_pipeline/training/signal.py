"""A round that has nothing to learn from."""

import logging

from pmd_pipeline.training.metrics import RoundMetrics

_logger = logging.getLogger(__name__)


def warn_without_signal(label: str, metrics: RoundMetrics) -> None:
    """Warn where every group's rewards are all equal.

    Such a round's exact update is none, and yet the policy moves as no reward has asked for: by
    AdamW's momentum, and under PMD by what rounding leaves of the gradient, which AdamW divides by
    its own size.

    Args:
        label: The algorithm's.
        metrics: Of the round.
    """
    if metrics.no_signal_fraction < 1:
        return
    _logger.warning(
        "%s, round %d: in each group all rollouts have the same reward, so the round says nothing "
        "about what is better; AdamW's momentum and rounding move the policy all the same. "
        "Train on problems that the policy sometimes solves "
        "(rollout_generation.min_mean_reward and max_mean_reward choose them), or let responses "
        "be longer if they are cut off (truncated: %.0f %%)",
        label,
        metrics.round,
        100 * metrics.truncated_fraction,
    )
