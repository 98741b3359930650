"""A round of PMD compared with the exact update that it aims at: docs/theory_in_the_loop.md."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from pmd_pipeline.algorithms import groups_within_bounds
from pmd_pipeline.config.algorithms import (
    AnyAlgorithmConfig,
    PmdMeanConfig,
    PmdPartConfig,
    PromptFilterConfig,
)
from pmd_pipeline.config.theory import PmdMethod
from pmd_pipeline.theory import (
    ComparedRound,
    RoundComparison,
    compare_round,
    loop_group_table,
    summarise_groups,
)

METRIC_PREFIX = "theory_"
_METRICS = tuple(field.name for field in fields(RoundComparison) if field.name != "groups")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactUpdate:
    """The exact update that an algorithm's rounds aim at, for rewards of two values.

    Attributes:
        method: Whose update.
        tau: Reward units per nat.
        leave_one_out: Whether a rollout's baseline leaves the rollout itself out.
        reward_low: Of a wrong response.
        reward_high: Of a right one.
        prompt_filter: Groups that it drops make no updates, so there is nothing to compare.
    """

    method: PmdMethod
    tau: float
    leave_one_out: bool
    reward_low: float
    reward_high: float
    prompt_filter: PromptFilterConfig | None = None


def exact_update_of(
    algorithm: AnyAlgorithmConfig,
    two_values: tuple[float, float] | None,
    *,
    weighs_stale_rollouts: bool = False,
) -> ExactUpdate | None:
    """Return what an algorithm's rounds aim at, None if unknown.

    It is known only for PMD; not for rewards of more than two values, not for rollouts weighted by
    the ideal step, not with a floor under the partition, and not for stale rollouts that importance
    weights correct: all three move the fixed point. Without weights it is the exact update of the
    policy that sampled, stale or not: pass rates and log-ratios are those of its rollouts.

    Args:
        algorithm: Of the rounds.
        two_values: The rewards of a wrong and of a right response; None if there are others.
        weighs_stale_rollouts: Whether there is lag with importance weights:
            ``TrainingConfig.weighs_stale_rollouts``.
    """
    if weighs_stale_rollouts:
        return None
    if not isinstance(algorithm, PmdMeanConfig | PmdPartConfig) or algorithm.partition_weights:
        return None
    if isinstance(algorithm, PmdPartConfig) and algorithm.partition_floor is not None:
        return None
    if two_values is None:
        return None
    reward_low, reward_high = two_values
    return ExactUpdate(
        method=algorithm.kind,
        tau=algorithm.tau,
        leave_one_out=algorithm.baseline.startswith("leave_one_out"),
        reward_low=reward_low,
        reward_high=reward_high,
        prompt_filter=algorithm.prompt_filter,
    )


def theory_metrics(rollouts: pd.DataFrame, update: ExactUpdate | None) -> dict[str, float]:
    """Return the numbers of `RoundComparison` for one round, named ``theory_...``.

    Args:
        rollouts: The table of a round's rollouts.
        update: What the round aimed at; with None every number is NaN, so the rows of all
            algorithms have the same columns.
    """
    names = [f"{METRIC_PREFIX}{name}" for name in _METRICS]
    if update is None:
        return dict.fromkeys(names, float("nan"))
    comparison, _ = _compare(rollouts, update)
    return dict(zip(names, (comparison.metrics()[name] for name in _METRICS), strict=True))


def compared_groups(
    label: str, seed: int, rounds: Iterable[pd.DataFrame], update: ExactUpdate | None
) -> pd.DataFrame:
    """Return predicted and measured log-ratios, one row per round, group and kind of response.

    Args:
        label: The algorithm's.
        seed: The training seed.
        rounds: The table of each round's rollouts, in order.
        update: What the rounds aimed at; with None there are no rows.

    Returns:
        Columns ``algorithm, seed, method, round, problem_id, pass_rate, response,
        predicted_log_ratio, measured_log_ratio, is_past_bound``. Groups that were all right or all
        wrong have no rows.
    """
    compared: list[ComparedRound] = []
    problem_ids: dict[int, list[str]] = {}
    for rollouts in rounds:
        if update is None:
            break
        number = int(rollouts["round"].iloc[0])
        comparison, problem_ids[number] = _compare(rollouts, update)
        compared.append(
            ComparedRound(
                algorithm=label, method=update.method, round=number, comparison=comparison
            )
        )
    table = loop_group_table(compared)
    groups = zip(table["round"], table.pop("group"), strict=True)
    names = [problem_ids[number][group] for number, group in groups]
    table.insert(3, "problem_id", pd.Series(names, index=table.index, dtype=object))
    table.insert(1, "seed", seed)
    return table


def _compare(rollouts: pd.DataFrame, update: ExactUpdate) -> tuple[RoundComparison, list[str]]:
    """Return the comparison of a round's measured groups, and the problem of each of them."""
    measured = rollouts[~rollouts["sequence_log_ratio"].isna()]
    if not measured.empty:
        rollouts = rollouts[rollouts["problem_id"].isin(measured["problem_id"].unique())]
    group_ids, problem_ids = pd.factorize(rollouts["problem_id"])
    log_ratios = rollouts["sequence_log_ratio"].to_numpy(dtype=np.float64)
    groups = summarise_groups(
        group_ids,
        rollouts["correct"].to_numpy(dtype=bool),
        np.where(_was_trained_on(rollouts, group_ids, update), log_ratios, np.nan),
    )
    group_size = int(groups.group_size.max())
    comparison = compare_round(
        groups.pass_rate,
        groups.measured_success,
        groups.measured_failure,
        tau=update.tau,
        method=update.method,
        group_size=group_size if group_size > 1 else None,  # alone, it is never informative
        leave_one_out=update.leave_one_out,
        reward_low=update.reward_low,
        reward_high=update.reward_high,
    )
    return comparison, [str(name) for name in problem_ids]


def _was_trained_on(
    rollouts: pd.DataFrame, group_ids: NDArray[np.int64], update: ExactUpdate
) -> NDArray[np.bool_]:
    if "is_trained" in rollouts:
        return rollouts["is_trained"].to_numpy(dtype=bool)
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
