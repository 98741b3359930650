"""The regression loss of policy mirror descent."""

from torch import Tensor

from pmd_pipeline.algorithms.checks import check_per_rollout, check_tau


def pmd_regression_loss(sequence_log_ratio: Tensor, advantage: Tensor, *, tau: float) -> Tensor:
    """Return the unreduced PMD regression loss, ``tau / 2 * (advantage / tau - log_ratio) ** 2``.

    Its derivative in the sequence log-ratio is ``tau * log_ratio - advantage``: a policy-gradient
    step at a log-ratio of 0, which weakens as the log-ratio nears ``advantage / tau`` and reverses
    beyond.

    Args:
        sequence_log_ratio: Current minus behaviour log-prob, summed over the response, nats, [B].
        advantage: Reward units, [B]; carries no gradient. Its baseline makes the variant: a mean
            for PMD-mean, a log-partition for PMD-part.
        tau: Reward units per nat; positive.

    Returns:
        Loss per rollout, reward units, [B].

    Raises:
        ValueError: If ``tau <= 0`` or the shapes differ.

    Source: Kimi k1.5, arXiv:2501.12599, the regression surrogate, scaled by
        ``1 / (2 * tau)``; PMD-mean and PMD-part: arXiv:2602.05933.
    """
    check_tau(tau)
    if sequence_log_ratio.ndim != 1:
        raise ValueError(
            "sequence_log_ratio must be [B], one entry per rollout; found "
            f"{list(sequence_log_ratio.shape)}"
        )
    check_per_rollout("advantage", advantage, len(sequence_log_ratio))
    return tau / 2 * (advantage.detach() / tau - sequence_log_ratio).square()
