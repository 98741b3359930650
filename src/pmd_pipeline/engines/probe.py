"""Whether a sampler in another process has the policy's weights."""

from collections.abc import Sequence

import numpy as np
import torch

from pmd_pipeline.engines.errors import StaleSamplerError
from pmd_pipeline.policies.log_probs import response_log_probs
from pmd_pipeline.policies.policy import Policy

# Float32 differs by 1e-5 to 3e-5 (largest of many tokens), bfloat16 by 0.02 to 0.04 (mean).
FLOAT32_TOLERANCE = 1e-3
BFLOAT16_TOLERANCE = 0.1


@torch.no_grad()
def prove_weights(
    policy: Policy,
    scored: Sequence[tuple[Sequence[int], np.ndarray]],
    *,
    tolerance: float,
    sampler: str,
) -> float:
    """Compare the sampler's log-probs of a few texts with the policy's own.

    Args:
        policy: What the sampler should have.
        scored: Token ids of a text, and the sampler's log-probs of all but the first, nats.
        tolerance: Largest mean absolute difference, nats.
        sampler: Its name in the message.

    Returns:
        The mean absolute difference, nats.

    Raises:
        StaleSamplerError: If it is larger than ``tolerance``, or not a number.
    """
    found = np.concatenate([log_probs for _, log_probs in scored])
    expected = np.concatenate([_log_probs(policy, list(tokens)) for tokens, _ in scored])
    difference = float(np.abs(found - expected).mean())
    if not difference <= tolerance:  # NaN too
        raise StaleSamplerError(
            f"{sampler} does not have the policy's weights (version {policy.policy_version}): on "
            f"{len(scored)} probe texts of {len(found)} tokens its log-probs differ from the "
            f"trainer's by {difference:.4g} nats on average, {np.abs(found - expected).max():.4g} "
            f"at most; {tolerance:g} on average is allowed. Its samples would be another "
            "policy's, so the run stops here. If the sampler computes in a lower precision than "
            "the trainer, raise rollout_engine.options.probe_tolerance"
        )
    return difference


def _log_probs(policy: Policy, tokens: list[int]) -> np.ndarray:
    with policy.autocast():
        result = response_log_probs(
            policy.model,
            [tokens[:1]],
            torch.tensor([tokens[1:]]),
            torch.ones(1, len(tokens) - 1, dtype=torch.bool),
            temperature=1.0,
        )
    return np.asarray(result.log_probs[0].float().cpu().numpy())
