"""The policy-gradient loss."""

from torch import Tensor

from pmd_pipeline.algorithms.checks import check_per_rollout


def policy_gradient_loss(log_probs: Tensor, advantage: Tensor) -> Tensor:
    """Return the unreduced policy-gradient loss, ``-advantage * log_probs``.

    Its gradient is the policy gradient when the rollouts come from the current policy; its value
    means nothing by itself.

    Args:
        log_probs: Current log-probs of the sampled tokens, nats, [B, T].
        advantage: Reward units, [B]; carries no gradient.

    Returns:
        Loss per token, [B, T].

    Raises:
        ValueError: If the shapes do not fit.

    Source: REINFORCE, Williams 1992.
    """
    if log_probs.ndim != 2:
        raise ValueError(f"log_probs must be [B, T], found {list(log_probs.shape)}")
    check_per_rollout("advantage", advantage, len(log_probs))
    return -advantage.detach()[:, None] * log_probs
