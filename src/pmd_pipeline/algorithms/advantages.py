"""Advantages: each reward minus its group's baseline."""

import math
from typing import assert_never, get_args

import torch
from torch import Tensor

from pmd_pipeline.algorithms.checks import check_tau
from pmd_pipeline.algorithms.groups import GroupedRewards, group_rewards
from pmd_pipeline.config.algorithms import BASELINES_OF_TWO_OR_MORE, Baseline

# Keeps a group whose rewards are all the same at advantage 0 instead of 0 / 0. It is the value of
# the common public implementations; at a standard deviation of 0.1 it changes an advantage by 1e-5
# of itself.
GROUP_STANDARD_DEVIATION_EPSILON = 1e-6


def compute_advantages(
    rewards: Tensor,
    group_ids: Tensor,
    *,
    baseline: Baseline,
    tau: float | None = None,
    partition_floor: float | None = None,
) -> Tensor:
    """Return each rollout's advantage: its reward minus the baseline of its group.

    With n rollouts in the group and LSE the log of the sum of exponentials, the baselines are::

        mean                         mean of all n rewards
        leave_one_out_mean           mean of the n - 1 others
        log_partition                tau * (LSE of all r / tau - log n)
        leave_one_out_log_partition  tau * (LSE of the others' r / tau - log(n - 1))
        group_standardised           mean, the difference divided by the standard deviation
                                     (of n - 1 degrees of freedom) plus 1e-6

    Leaving one out means leaving it out of the sum: nothing is subtracted from a sum that holds
    it, and nothing is clamped, so that the one success among failures gets its exact advantage at
    any ``tau``. With ``partition_floor`` = f, ``leave_one_out_log_partition`` becomes
    ``best + tau * max(log f, LSE of the others' (r - best) / tau - log(n - 1))``, where best is the
    best reward of the whole group: no advantage exceeds ``-tau * log f``.

    Args:
        rewards: Reward units, float32 or float64, [B].
        group_ids: Rollouts of one prompt share an integer, in any order; groups may differ in
            size; [B].
        baseline: One of the five above.
        tau: Reward units per nat, positive; needed by the two log-partition baselines.
        partition_floor: In (0, 1), for ``leave_one_out_log_partition`` alone; None: no floor.

    Returns:
        Advantages, [B], in the type and on the device of ``rewards``, computed in float64. Reward
        units; a pure number for ``group_standardised``.

    Raises:
        ValueError: If a reward is not finite, a shape or type is wrong, the baseline is unknown,
            ``tau`` is missing or not positive, the floor is out of range or meets another baseline,
            or a group of one meets a baseline that is undefined for it (the leave-one-out ones and
            ``group_standardised``).

    Source: mean and log-partition: arXiv:2602.05933; leave-one-out mean: Kool, van Hoof and
        Welling 2019; group-standardised: GRPO, arXiv:2402.03300; the floor:
        github.com/horizon-rl/OpenKimi, advantage estimator ``ploo``.
    """
    if baseline not in get_args(Baseline):
        raise ValueError(
            f"unknown baseline {baseline!r}; choose one of {', '.join(get_args(Baseline))}"
        )
    if tau is not None:
        check_tau(tau)
    _check_partition_floor(partition_floor, baseline)
    groups = group_rewards(rewards, group_ids)
    _check_group_sizes(groups, baseline)
    match baseline:
        case "mean":
            advantages = _minus_mean(groups)
        case "leave_one_out_mean":
            size = groups.spread(groups.sizes)
            advantages = _minus_mean(groups) * size / (size - 1)
        case "log_partition":
            advantages = _minus_log_partition(groups, _required(tau, baseline))
        case "leave_one_out_log_partition":
            advantages = _minus_leave_one_out_log_partition(
                groups, _required(tau, baseline), partition_floor
            )
        case "group_standardised":
            advantages = _standardised(groups)
        case _:
            assert_never(baseline)
    return advantages.to(rewards.dtype)


def _check_group_sizes(groups: GroupedRewards, baseline: Baseline) -> None:
    if baseline not in BASELINES_OF_TWO_OR_MORE:
        return
    alone = groups.ids[groups.sizes == 1]
    if len(alone) > 0:
        raise ValueError(
            f"baseline {baseline} is undefined for a group of one: {len(alone)} of "
            f"{len(groups.ids)} groups have a single rollout (the first is group {int(alone[0])}); "
            "use a group_size of at least 2, or the baseline mean or log_partition"
        )


def _check_partition_floor(partition_floor: float | None, baseline: Baseline) -> None:
    if partition_floor is None:
        return
    if baseline != "leave_one_out_log_partition":
        raise ValueError(
            "partition_floor bounds the baseline leave_one_out_log_partition alone, found it with "
            f"{baseline}; leave it out"
        )
    if not 0 < partition_floor < 1:
        raise ValueError(f"partition_floor must lie in (0, 1), found {partition_floor}")


def _required(tau: float | None, baseline: Baseline) -> float:
    if tau is None:
        raise ValueError(f"baseline {baseline} needs tau (reward units per nat), found None")
    return tau


def _minus_mean(groups: GroupedRewards) -> Tensor:
    return groups.below_best() - groups.mean_below_best()


def _minus_log_partition(groups: GroupedRewards, tau: float) -> Tensor:
    below_best = groups.below_best()
    exponents, of_equals = _exponents(groups, tau)
    log_mean = exponents.logsumexp(dim=1) - of_equals.logsumexp(dim=1)
    return below_best - tau * groups.spread(log_mean)


def _minus_leave_one_out_log_partition(
    groups: GroupedRewards, tau: float, partition_floor: float | None
) -> Tensor:
    below_best = groups.below_best()
    exponents, of_equals = _exponents(groups, tau)
    log_means = _log_sums_of_others(exponents) - _log_sums_of_others(of_equals)
    if partition_floor is not None:
        log_means = log_means.clamp(min=math.log(partition_floor))
    return below_best - tau * groups.from_table(log_means)


def _exponents(groups: GroupedRewards, tau: float) -> tuple[Tensor, Tensor]:
    """Return ``r / tau`` below the group's best, and the same if all rewards were equal, [G, n].

    The log of a count is thus summed up in the same way as the log of a partition, and the two
    cancel exactly where rewards are equal. A rest of 1e-16 would be a gradient, and AdamW makes a
    step of any gradient.
    """
    exponents = groups.below_best() / tau
    return (
        groups.to_table(exponents, fill=-torch.inf),
        groups.to_table(torch.zeros_like(exponents), fill=-torch.inf),
    )


def _log_sums_of_others(exponents: Tensor) -> Tensor:
    """Return the log of the sum of the exponentials of all others in the row, [G, n] -> [G, n]."""
    nothing = exponents.new_full((len(exponents), 1), -torch.inf)
    # All but one are those before it and those after it: two running sums give every group's n
    # exclusions in O(n).
    before = torch.cat([nothing, exponents[:, :-1]], dim=1).logcumsumexp(dim=1)
    after = torch.cat([nothing, exponents.flip(1)[:, :-1]], dim=1).logcumsumexp(dim=1).flip(1)
    return torch.logaddexp(before, after)


def _standardised(groups: GroupedRewards) -> Tensor:
    advantages = _minus_mean(groups)
    squares = groups.to_table(advantages.square(), fill=0.0).sum(dim=1)
    deviation = (squares / (groups.sizes - 1)).sqrt()
    return advantages / groups.spread(deviation + GROUP_STANDARD_DEVIATION_EPSILON)
