"""What is recorded about a round: one row of numbers, and one row per rollout."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pmd_pipeline.metrics import diagnostics
from pmd_pipeline.records import Rollout
from pmd_pipeline.rollouts.tables import part_columns
from pmd_pipeline.training.round import RoundResult
from pmd_pipeline.training.setup import TrainingSetup

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundMetrics:
    """One row of the table ``round_metrics``; NaN where a figure has no meaning.

    Further columns of that table say how far a round of PMD went towards its fixed point: see
    ``training.theory_in_the_loop``; and how full a round is: see `refill_metrics`.

    Attributes:
        round: Complete rounds that the policy has seen, from 1.
        policy_version: Updates that it has seen.
        num_skipped_updates: Mini-batches of this round that changed nothing: their gradient was
            exactly 0, or the prompt filter has dropped them whole.
        staleness_updates: Updates between the policy that sampled this round's rollouts and the one
            that it began with; 0 without lag.
        staleness_rounds: The same in rounds.
        num_prompts, num_rollouts: Of this round.
        num_generation_calls: Of the sampler; those that refill a round are sampled from the same
            weights, any other began with a transfer of the weights to it.
        num_sampled_tokens: Of the responses.
        num_trained_tokens: Of prompts and responses, forward and backward through the policy in
            this round's updates, those that changed nothing included; what the prompt filter has
            dropped is not among them.
        learning_rate: Of the last update.
        mean_reward: Reward units.
        group_pass_rate: Mean over groups of the share of right rollouts; NaN if the reward does
            not tell right from wrong.
        no_signal_fraction: Groups whose rewards are all equal.
        entropy: Of the behaviour policy, mean over the response tokens of the rollouts whose
            entropies were computed, nats.
        mean_response_tokens: Length.
        truncated_fraction: Responses cut at the token limit.
        log_ratio_min, log_ratio_mean, log_ratio_max: Of whole responses, after the last
            mini-batch, nats; as the three divergences, of the rollouts that are measured.
        kl: Estimate of KL(new || behaviour), nats.
        reverse_kl: Estimate of KL(behaviour || new), nats.
        chi2: Estimate of chi-squared(new || behaviour).
        clip_fraction: Clipped tokens (sequences for GSPO).
        gradient_norm: Before clipping, mean over updates.
        loss: Mean over updates.
        mismatch_mean, mismatch_max, mismatch_kl: Trainer versus sampler log-probs, per token, of
            the rollouts for which the trainer has computed the behaviour policy's;
            NaN if top_p or top_k truncates the sampler's distribution. With lag and importance
            weights it is the policy of now against the one that sampled.
        grading_timeouts: Responses whose grading timed out.
        sampling_seconds, grading_seconds, updating_seconds: Wall times; with lag, sampling and
            grading of this round's rollouts went on beside the updates of earlier rounds.
        waiting_seconds: Wall time in which nothing was trained.
        sampling_tokens_per_second, updating_tokens_per_second: Response tokens per second.
    """

    round: int
    policy_version: int
    num_skipped_updates: int
    staleness_updates: int
    staleness_rounds: int
    num_prompts: int
    num_rollouts: int
    num_generation_calls: int
    num_sampled_tokens: int
    num_trained_tokens: int
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
    waiting_seconds: float
    sampling_tokens_per_second: float
    updating_tokens_per_second: float


def round_metrics(result: RoundResult) -> RoundMetrics:
    """Return the figures of a finished round."""
    rollouts = [rollout for cycle in result.cycles for rollout in cycle.rollouts]
    group_ids = [rollout.problem_id for rollout in rollouts]
    rewards = [rollout.reward for rollout in rollouts]
    lengths = np.array([len(rollout.completion.token_ids) for rollout in rollouts])
    entropies = _all(result, "mean_entropies")
    measured = _all(result, "sequence_log_ratios")
    log_ratios = measured[~np.isnan(measured)]
    summary = diagnostics.summarise_log_ratios(log_ratios)
    mismatch = _mismatch(result)
    num_tokens = int(lengths.sum())
    return RoundMetrics(
        round=result.round_index,
        policy_version=result.policy_version,
        num_skipped_updates=result.num_skipped_updates,
        staleness_updates=result.staleness_updates,
        staleness_rounds=result.staleness_rounds,
        num_prompts=len(set(group_ids)),
        num_rollouts=len(rollouts),
        num_generation_calls=result.num_generation_calls,
        num_sampled_tokens=num_tokens,
        num_trained_tokens=sum(update.num_tokens for update in result.updates),
        learning_rate=result.learning_rate,
        mean_reward=float(np.mean(rewards)),
        group_pass_rate=_group_pass_rate(rollouts, group_ids),
        no_signal_fraction=diagnostics.no_signal_fraction(rewards, group_ids),
        entropy=_weighted_mean(entropies, lengths),
        mean_response_tokens=float(lengths.mean()),
        truncated_fraction=float(np.mean([r.completion.truncated for r in rollouts])),
        log_ratio_min=summary.min,
        log_ratio_mean=summary.mean,
        log_ratio_max=summary.max,
        kl=diagnostics.kl_estimate(log_ratios),
        reverse_kl=diagnostics.reverse_kl_estimate(log_ratios),
        chi2=diagnostics.chi_squared_estimate(log_ratios),
        clip_fraction=_ratio(
            sum(update.num_clipped for update in result.updates),
            sum(update.num_clip_units for update in result.updates),
        ),
        gradient_norm=_mean([update.gradient_norm for update in result.updates]),
        loss=_mean([update.loss for update in result.updates]),
        mismatch_mean=mismatch.mean,
        mismatch_max=mismatch.max,
        mismatch_kl=mismatch.kl,
        grading_timeouts=sum(rollout.grade_reason == "timeout" for rollout in rollouts),
        sampling_seconds=result.sampling_seconds,
        grading_seconds=result.grading_seconds,
        updating_seconds=result.updating_seconds,
        waiting_seconds=result.waiting_seconds,
        sampling_tokens_per_second=_ratio(num_tokens, result.sampling_seconds),
        updating_tokens_per_second=_ratio(num_tokens, result.updating_seconds),
    )


def mean_parts(result: RoundResult) -> dict[str, float]:
    """Return the mean of each part of the reward, by column name; empty if it has no parts."""
    rollouts = [rollout for cycle in result.cycles for rollout in cycle.rollouts]
    names = rollouts[0].parts
    return part_columns({name: float(np.mean([r.parts[name] for r in rollouts])) for name in names})


def refill_metrics(result: RoundResult, setup: TrainingSetup) -> dict[str, int]:
    """Return the groups that a round's updates used, and how many it lacks; empty without a refill.

    Args:
        result: The finished round.
        setup: Whose round it is.
    """
    if setup.refill is None:
        return {}
    used = [cycle.is_trained for cycle in result.cycles if cycle.is_trained is not None]
    num_kept = int(np.concatenate(used).sum()) // setup.group_size
    return {
        "num_kept_groups": num_kept,
        "num_missing_groups": setup.training.prompts_per_round - num_kept,
    }


def warn_unfilled(setup: TrainingSetup, metrics: RoundMetrics, num_missing: int) -> None:
    """Warn if a round could not be filled.

    Args:
        setup: Whose round it is.
        metrics: Of the round.
        num_missing: Groups that it lacks.
    """
    if num_missing == 0 or setup.refill is None:
        return
    wanted = setup.training.prompts_per_round
    _logger.warning(
        "%s, round %d: %d of %d groups lie within the bounds of the prompt filter, after %d "
        "prompts, so its updates have fewer. Let it draw more "
        "(algorithms.%s.prompt_filter.refill.max_extra_rounds is %d), or give it more problems "
        "that the policy sometimes solves",
        setup.name,
        metrics.round,
        wanted - num_missing,
        wanted,
        metrics.num_prompts,
        setup.label,
        setup.refill.max_extra_rounds,
    )


def warn_without_signal(name: str, metrics: RoundMetrics) -> None:
    """Warn if in every group all rewards are equal.

    The exact update of such a round is zero, and so is its gradient: the policy stays as it is.

    Args:
        name: The training run's.
        metrics: Of the round.
    """
    if metrics.no_signal_fraction < 1:
        return
    _logger.warning(
        "%s, round %d: in each group all rollouts have the same reward, so the policy stays as it "
        "was. Train on problems that the policy sometimes solves "
        "(select them with rollout_generation.min_mean_reward and max_mean_reward), or allow "
        "longer responses if they are cut off (truncated: %.0f %%)",
        name,
        metrics.round,
        100 * metrics.truncated_fraction,
    )


def _group_pass_rate(rollouts: Sequence[Rollout], group_ids: Sequence[str]) -> float:
    correct = [rollout.correct for rollout in rollouts]
    if None in correct:
        return float("nan")
    return diagnostics.group_pass_rate(np.array(correct, dtype=bool), group_ids)


def _mismatch(result: RoundResult) -> diagnostics.SamplerMismatch:
    sampler = [cycle.sampler_log_probs for cycle in result.cycles]
    known = [log_probs for log_probs in sampler if log_probs is not None]
    if len(known) < len(sampler):
        return diagnostics.SamplerMismatch(np.nan, np.nan, np.nan)
    trainer = _all(result, "trainer_log_probs")
    if len(trainer) == 0:  # the prompt filter has dropped all that an update would have computed
        return diagnostics.SamplerMismatch(np.nan, np.nan, np.nan)
    return diagnostics.measure_sampler_mismatch(
        np.concatenate(known), trainer, np.ones_like(trainer, dtype=bool)
    )


def _all(result: RoundResult, name: str) -> np.ndarray:
    return np.concatenate([getattr(cycle, name) for cycle in result.cycles])


def _weighted_mean(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the mean of the values that are known; NaN if none has any weight."""
    known = ~np.isnan(values)
    if not weights[known].any():
        return float("nan")
    return float(np.average(values[known], weights=weights[known]))


def _mean(values: list[float]) -> float:
    """NaN if the prompt filter left no update."""
    return float(np.mean(values)) if values else float("nan")


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else float("nan")
