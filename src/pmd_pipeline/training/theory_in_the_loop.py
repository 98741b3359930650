"""A round of PMD held against the exact update that it aims at; see docs/theory_in_the_loop.md."""

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from pmd_pipeline.algorithms import groups_within_bounds
from pmd_pipeline.config.algorithms import AnyAlgorithmConfig, PmdConfig, PromptFilterConfig
from pmd_pipeline.config.rewards import RewardConfig
from pmd_pipeline.config.theory import PmdMethod
from pmd_pipeline.theory import (
    ComparedRound,
    RoundComparison,
    compare_round,
    loop_group_table,
    summarise_groups,
)

METRIC_PREFIX = "theory_"
_METHODS: dict[str, PmdMethod] = {"pmd_mean": "pmd_mean", "pmd_part": "pmd_part"}
_METRICS = tuple(field.name for field in fields(RoundComparison) if field.name != "groups")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactUpdate:
    """The exact update that an algorithm's rounds aim at, for rewards of two values.

    Attributes:
        method: Whose update.
        tau: Reward units per nat.
        group_size: Rollouts per prompt.
        leave_one_out: Whether a rollout's baseline leaves the rollout itself out.
        reward_low: Of a wrong response.
        reward_high: Of a right one.
        prompt_filter: Groups that it drops make no updates, and have nothing to be held against.
    """

    method: PmdMethod
    tau: float
    group_size: int
    leave_one_out: bool
    reward_low: float
    reward_high: float
    prompt_filter: PromptFilterConfig | None = None


def exact_update_of(
    algorithm: AnyAlgorithmConfig, *, group_size: int, rewards: RewardConfig
) -> ExactUpdate | None:
    """Return what an algorithm's rounds aim at.

    None where that is not known: for algorithms other than PMD, for rewards of more than two values
    (a length penalty), and for rollouts weighted by the ideal step, which moves the fixed point.

    Args:
        algorithm: Its configuration.
        group_size: Rollouts per prompt.
        rewards: Reward values.
    """
    if not isinstance(algorithm, PmdConfig) or algorithm.partition_weights:
        return None
    if rewards.overlong_buffer_tokens is not None:
        return None
    return ExactUpdate(
        method=_METHODS[algorithm.kind],
        tau=algorithm.tau,
        group_size=group_size,
        leave_one_out=algorithm.baseline.startswith("leave_one_out"),
        reward_low=rewards.incorrect_reward,
        reward_high=rewards.correct_reward,
        prompt_filter=algorithm.prompt_filter,
    )


def theory_metrics(rollouts: pd.DataFrame, update: ExactUpdate | None) -> dict[str, float]:
    """Return the numbers of `RoundComparison` for one round, named ``theory_...``.

    Args:
        rollouts: The table of a round's rollouts.
        update: What the round aimed at; with None every number is NaN, so that the rows of all
            algorithms have the same columns.
    """
    names = [f"{METRIC_PREFIX}{name}" for name in _METRICS]
    if update is None:
        return dict.fromkeys(names, float("nan"))
    comparison, _ = _compare(rollouts, update)
    return dict(zip(names, (comparison.metrics()[name] for name in _METRICS), strict=True))


def compared_groups(
    label: str, rollouts: pd.DataFrame, update: ExactUpdate | None
) -> pd.DataFrame:
    """Return predicted and measured log-ratios, one row per round, group and kind of response.

    Args:
        label: The algorithm's.
        rollouts: The tables of its rounds, one after the other.
        update: What its rounds aimed at; with None there are no rows.

    Returns:
        Columns ``algorithm, method, round, problem_id, pass_rate, response, predicted_log_ratio,
        measured_log_ratio, is_past_bound``; groups that were all right or all wrong have no rows.
    """
    rounds: list[ComparedRound] = []
    problem_ids: dict[int, NDArray[np.object_]] = {}
    for number, rows in rollouts.groupby("round") if update is not None else ():
        comparison, ids = _compare(rows, update)
        problem_ids[int(number)] = ids
        rounds.append(
            ComparedRound(
                algorithm=label, method=update.method, round=int(number), comparison=comparison
            )
        )
    table = loop_group_table(rounds)
    groups = zip(table["round"], table.pop("group"), strict=True)
    names = [str(problem_ids[number][group]) for number, group in groups]
    table.insert(3, "problem_id", pd.Series(names, index=table.index, dtype=object))
    return table


def _compare(
    rollouts: pd.DataFrame, update: ExactUpdate
) -> tuple[RoundComparison, NDArray[np.object_]]:
    """Return a round's comparison, and the problem of each of its groups."""
    group_ids, problem_ids = pd.factorize(rollouts["problem_id"])
    log_ratios = rollouts["sequence_log_ratio"].to_numpy(dtype=np.float64)
    groups = summarise_groups(
        group_ids,
        rollouts["correct"],
        np.where(_was_trained_on(rollouts, group_ids, update), log_ratios, np.nan),
    )
    comparison = compare_round(
        groups.pass_rate,
        groups.measured_success,
        groups.measured_failure,
        tau=update.tau,
        method=update.method,
        group_size=update.group_size if update.group_size > 1 else None,
        leave_one_out=update.leave_one_out,
        reward_low=update.reward_low,
        reward_high=update.reward_high,
    )
    return comparison, np.asarray(problem_ids, dtype=object)


def _was_trained_on(
    rollouts: pd.DataFrame, group_ids: NDArray[np.int64], update: ExactUpdate
) -> NDArray[np.bool_]:
    bounds = update.prompt_filter
    if bounds is None:
        return np.ones(len(rollouts), dtype=bool)
    kept = groups_within_bounds(
        torch.from_numpy(rollouts["reward"].to_numpy(dtype=np.float64)),
        torch.from_numpy(group_ids),
        low=bounds.low,
        high=bounds.high,
    )
    return np.asarray(kept.numpy(), dtype=bool)
