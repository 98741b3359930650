"""What is recorded of a round: one row of numbers, and one row per rollout."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pmd_pipeline.metrics import diagnostics
from pmd_pipeline.training.round import RoundResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundMetrics:
    """One row of the table ``round_metrics``; NaN where a figure has no meaning.

    Attributes:
        round: Whole rounds that the policy has seen, from 1.
        policy_version: Updates that it has seen.
        num_rollouts: Of this round.
        learning_rate: Of the last update.
        mean_reward: Reward units.
        group_pass_rate: Mean over groups of the share of right rollouts.
        no_signal_fraction: Groups whose rewards are all equal.
        entropy: Of the behaviour policy, mean over response tokens, nats.
        mean_response_tokens: Length.
        truncated_fraction: Responses cut at the token limit.
        log_ratio_min, log_ratio_mean, log_ratio_max: Of whole responses, after the last
            mini-batch, nats.
        kl: Estimate of KL(new || behaviour), nats.
        reverse_kl: Estimate of KL(behaviour || new), nats.
        chi2: Estimate of chi-squared(new || behaviour).
        clip_fraction: Tokens (sequences for GSPO) that the clip touched.
        gradient_norm: Before clipping, mean over updates.
        loss: Mean over updates.
        mismatch_mean, mismatch_max, mismatch_kl: Trainer against sampler log-probs, per token.
        grading_timeouts: Responses that the grader gave up on.
        sampling_seconds, grading_seconds, updating_seconds: Wall times.
        sampling_tokens_per_second, updating_tokens_per_second: Response tokens per second.
    """

    round: int
    policy_version: int
    num_rollouts: int
    learning_rate: float
    mean_reward: float
    group_pass_rate: float
    no_signal_fraction: float
    entropy: float
    mean_response_tokens: float
    truncated_fraction: float
    log_ratio_min: float
    log_ratio_mean: float
    log_ratio_max: float
    kl: float
    reverse_kl: float
    chi2: float
    clip_fraction: float
    gradient_norm: float
    loss: float
    mismatch_mean: float
    mismatch_max: float
    mismatch_kl: float
    grading_timeouts: int
    sampling_seconds: float
    grading_seconds: float
    updating_seconds: float
    sampling_tokens_per_second: float
    updating_tokens_per_second: float


def round_metrics(result: RoundResult) -> RoundMetrics:
    """Return the figures of a finished round."""
    rollouts = [rollout for cycle in result.cycles for rollout in cycle.rollouts]
    tokens = np.array([len(rollout.completion.token_ids) for rollout in rollouts])
    groups = pd.DataFrame(
        {
            "group": [rollout.problem_id for rollout in rollouts],
            "correct": [rollout.correct for rollout in rollouts],
            "reward": [rollout.reward for rollout in rollouts],
        }
    ).groupby("group")
    return RoundMetrics(**{k: 0.0 for k in RoundMetrics.__dataclass_fields__} | dict(round=result.round_index, num_rollouts=len(rollouts),
        mean_reward=float(np.mean([r.reward for r in rollouts])), group_pass_rate=float(np.mean([r.correct for r in rollouts])),
        log_ratio_min=float(np.nanmin(np.concatenate([c.sequence_log_ratios for c in result.cycles]))),
        gradient_norm=float(np.mean([u.gradient_norm for u in result.updates])), loss=0.0, grading_timeouts=0,
        clip_fraction=sum(u.num_clipped for u in result.updates)/max(1,sum(u.num_clip_units for u in result.updates)),
        sampling_seconds=result.sampling_seconds, grading_seconds=result.grading_seconds, updating_seconds=result.updating_seconds, learning_rate=result.learning_rate, policy_version=result.policy_version,))
