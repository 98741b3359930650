"""A round that has nothing to learn from."""

import logging

from pmd_pipeline.training.metrics import RoundMetrics

_logger = logging.getLogger(__name__)


def warn_without_signal(label: str, metrics: RoundMetrics) -> None:
    """Warn where every group's rewards are all equal.

    Such a round's exact update is none. What rounding leaves of the gradient is not zero, and AdamW
    divides it by its own size: the policy moves in a direction that no reward has asked for.

    Args:
        label: The algorithm's.
        metrics: Of the round.
    """
    if metrics.no_signal_fraction < 1:
        return
    _logger.warning(
        "%s, round %d: in each group all rollouts have the same reward, so the round says nothing "
        "about what is better, and the step that AdamW makes of rounding moves the policy all the "
        "same. Train on problems that the policy sometimes solves "
        "(rollout_generation.min_mean_reward and max_mean_reward choose them), or let responses "
        "be longer if they are cut off (truncated: %.0f %%)",
        label,
        metrics.round,
        100 * metrics.truncated_fraction,
    )
