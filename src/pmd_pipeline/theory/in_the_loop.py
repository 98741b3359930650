"""A round of training held against the exact update: binary rewards, one row per prompt group.

For binary rewards the exact update depends on the success probability and tau alone, so that after
a round every prompt group has a prediction: how much the sequence log-ratio of its right and of its
wrong rollouts would be at the fixed point of the regression. Comparing it with what was measured
tells how far the update went, and whether it went too far.
"""

from dataclasses import dataclass, fields
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pmd_pipeline.config.theory import PmdMethod
from pmd_pipeline.theory.arrays import FloatArray, positive_array
from pmd_pipeline.theory.binary import BinarySolution, solve_binary
from pmd_pipeline.theory.divergences import chi2_terms, kl_terms
from pmd_pipeline.theory.finite_rollouts import baseline_moments
from pmd_pipeline.theory.loop_groups import GroupComparison

_LOG_RATIO_LIMIT = 300.0
"""Measured means are cut here before they are exponentiated; no sane update comes near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundComparison:
    """One round in numbers. Numbers are NaN when no group was informative.

    Attributes:
        informative_fraction: Share of groups with a prediction and a measurement.
        slope: Progress towards the fixed point: least-squares slope through the origin of measured
            on predicted log-ratios, over right and wrong rollouts, weighted by rollouts. 0: nothing
            moved; 1: the fixed point; below 0: the wrong way.
        slope_success: The same for right rollouts alone.
        slope_failure: The same for wrong rollouts alone.
        implied_lam: The multiplier that fits all groups' measured pairs together.
        predicted_lam: The same number from the predicted pairs; 0 for PMD-part's population.
        predicted_kl: Mean over groups, nats.
        measured_kl: Mean over groups, nats.
        predicted_chi2: Mean over groups.
        measured_chi2: Mean over groups.
        past_bound_fraction: Share of informative groups past the bound.
        past_fixed_point_fraction: Share of informative groups past their fixed point.
        groups: The groups behind it.
    """

    informative_fraction: float
    slope: float
    slope_success: float
    slope_failure: float
    implied_lam: float
    predicted_lam: float
    predicted_kl: float
    measured_kl: float
    predicted_chi2: float
    measured_chi2: float
    past_bound_fraction: float
    past_fixed_point_fraction: float
    groups: GroupComparison

    def metrics(self) -> dict[str, float]:
        """Return the round's numbers by name, for a tracker."""
        names = (field.name for field in fields(self) if field.name != "groups")
        return {name: float(getattr(self, name)) for name in names}


def predict_update(
    pass_rate: ArrayLike,
    tau: float,
    *,
    method: PmdMethod,
    group_size: int | None = None,
    leave_one_out: bool = True,
    reward_low: float = 0.0,
    reward_high: float = 1.0,
) -> BinarySolution:
    """Return the fixed point that a round of PMD aims at, for binary rewards.

    Args:
        pass_rate: Success probabilities before the update, inside (0, 1), any shape.
        tau: Reward units per nat, positive.
        method: ``"pmd_mean"`` or ``"pmd_part"``.
        group_size: n, at least 2, for the minimiser of the *expected* loss of groups of n; None for
            the population (n -> infinity).
        leave_one_out: Whether a rollout's baseline leaves the rollout itself out. With a group
            size: the leave-one-out mean is unbiased and changes nothing, the plain mean acts like
            ``tau * n / (n - 1)``; the leave-one-out log-partition is too low on average, which
            leaves a positive lambda; for the plain one the population is returned, which is too
            far: the minimiser of its expected loss has lambda < 0.
        reward_low: Reward of a wrong rollout.
        reward_high: Reward of a right one.

    Raises:
        ValueError: If an input is out of range.
    """
    if method not in get_args(PmdMethod):
        raise ValueError(
            f"unknown method {method!r}; choose one of {', '.join(get_args(PmdMethod))}"
        )
    if group_size is not None and group_size < 2:
        raise ValueError(f"group_size must be at least 2; found {group_size}")
    rewards = {"reward_low": reward_low, "reward_high": reward_high}
    if method == "pmd_mean" and group_size is not None and not leave_one_out:
        return solve_binary(
            pass_rate, tau * group_size / (group_size - 1), method=method, **rewards
        )
    if method == "pmd_mean" or group_size is None or not leave_one_out:
        return solve_binary(pass_rate, tau, method=method, **rewards)
    moments = baseline_moments(pass_rate, group_size, tau, "leave_one_out_log_partition", **rewards)
    # Its expectation lies below the log-partition; rounding must not lift it above.
    baseline = np.minimum(moments.mean_given_success, moments.target)
    return solve_binary(pass_rate, tau, method="pmd_mean", baseline=baseline, **rewards)


def compare_round(
    pass_rate: ArrayLike,
    measured_success: ArrayLike,
    measured_failure: ArrayLike,
    *,
    tau: float,
    method: PmdMethod,
    group_size: int | None = None,
    leave_one_out: bool = True,
    reward_low: float = 0.0,
    reward_high: float = 1.0,
) -> RoundComparison:
    """Hold a round's measured log-ratios against the exact update.

    Groups whose rollouts were all right or all wrong, or whose right or wrong rollouts were not
    measured, have no prediction and are left out.

    Args:
        pass_rate: Success probability of each group before the update, [G]; in [0, 1] or NaN.
        measured_success: Mean sequence log-ratio of right rollouts, nats, [G]; NaN without any.
        measured_failure: Mean sequence log-ratio of wrong rollouts, nats, [G]; NaN without any.
        tau: Reward units per nat, positive.
        method: ``"pmd_mean"`` or ``"pmd_part"``.
        group_size: As in `predict_update`.
        leave_one_out: As in `predict_update`.
        reward_low: Reward of a wrong rollout.
        reward_high: Reward of a right one.

    Raises:
        ValueError: If the shapes differ or an input is out of range.
    """
    positive_array("tau", tau)
    rate, up, down = (
        np.asarray(values, dtype=np.float64)
        for values in (pass_rate, measured_success, measured_failure)
    )
    if not rate.shape == up.shape == down.shape or rate.ndim != 1:
        raise ValueError(
            "pass_rate, measured_success and measured_failure must all be [G]; found shapes "
            f"{rate.shape}, {up.shape} and {down.shape}"
        )
    if ((rate < 0) | (rate > 1)).any():
        raise ValueError(f"pass_rate must lie in [0, 1]; found {rate.min()} to {rate.max()}")
    informative = np.flatnonzero((rate > 0) & (rate < 1) & np.isfinite(up) & np.isfinite(down))
    if informative.size == 0:
        return _nothing_to_compare()
    p, up, down = rate[informative], up[informative], down[informative]
    rewards = {"reward_low": reward_low, "reward_high": reward_high}
    predicted = predict_update(
        p, tau, method=method, group_size=group_size, leave_one_out=leave_one_out, **rewards
    )
    limit = solve_binary(p, tau, method="pmd_part", **rewards).failure_log_ratio
    groups = _compare_groups(
        informative, p, up, down, predicted, np.asarray(limit), (reward_high - reward_low) / tau
    )
    return _summarise(groups, len(rate), (reward_high - reward_low) / tau)


def _compare_groups(
    group: NDArray[np.int64],
    p: FloatArray,
    up: FloatArray,
    down: FloatArray,
    predicted: BinarySolution,
    failure_limit: FloatArray,
    scaled_gap: float,
) -> GroupComparison:
    probs = np.stack([p, 1.0 - p], axis=-1)
    measured = np.stack([up, down], axis=-1).clip(-_LOG_RATIO_LIMIT, _LOG_RATIO_LIMIT)
    predicted_up = np.asarray(predicted.success_log_ratio)
    predicted_down = np.asarray(predicted.failure_log_ratio)
    missing, pull = _fixed_point_balance(measured[:, 0], measured[:, 1], scaled_gap)
    return GroupComparison(
        group=group,
        pass_rate=p,
        predicted_success=predicted_up,
        predicted_failure=predicted_down,
        measured_success=up,
        measured_failure=down,
        predicted_lam=np.asarray(predicted.lam),
        implied_lam=np.divide(missing, pull, out=np.full_like(p, np.nan), where=pull != 0),
        predicted_kl=np.asarray(predicted.kl),
        measured_kl=kl_terms(probs, measured).sum(axis=-1),
        predicted_chi2=np.asarray(predicted.chi2),
        measured_chi2=chi2_terms(probs, measured).sum(axis=-1),
        is_past_bound=(up > -np.log(p)) | (down < failure_limit),
        is_past_fixed_point=(up > predicted_up) | (down < predicted_down),
    )


def _fixed_point_balance(
    up: FloatArray, down: FloatArray, scaled_gap: float
) -> tuple[FloatArray, FloatArray]:
    """Return both sides of ``R / tau - (s+ - s-) = lam * (exp(s+) - exp(s-))``.

    This difference of the two stationarity conditions holds whatever the baseline.
    """
    return scaled_gap - (up - down), np.exp(up) - np.exp(down)


def _summarise(groups: GroupComparison, num_groups: int, scaled_gap: float) -> RoundComparison:
    p = groups.pass_rate
    up, down = groups.measured_success, groups.measured_failure
    up_hat, down_hat = groups.predicted_success, groups.predicted_failure

    def common_lam(s_up: FloatArray, s_down: FloatArray) -> float:
        cut = _LOG_RATIO_LIMIT
        missing, pull = _fixed_point_balance(
            s_up.clip(-cut, cut), s_down.clip(-cut, cut), scaled_gap
        )
        return _ratio(float(missing.sum()), float(pull.sum()))

    return RoundComparison(
        informative_fraction=len(p) / num_groups,
        slope=_ratio(
            float((p * up * up_hat + (1 - p) * down * down_hat).sum()),
            float((p * up_hat**2 + (1 - p) * down_hat**2).sum()),
        ),
        slope_success=_ratio(float((p * up * up_hat).sum()), float((p * up_hat**2).sum())),
        slope_failure=_ratio(
            float(((1 - p) * down * down_hat).sum()), float(((1 - p) * down_hat**2).sum())
        ),
        implied_lam=common_lam(up, down),
        predicted_lam=common_lam(up_hat, down_hat),
        predicted_kl=float(groups.predicted_kl.mean()),
        measured_kl=float(groups.measured_kl.mean()),
        predicted_chi2=float(groups.predicted_chi2.mean()),
        measured_chi2=float(groups.measured_chi2.mean()),
        past_bound_fraction=float(groups.is_past_bound.mean()),
        past_fixed_point_fraction=float(groups.is_past_fixed_point.mean()),
        groups=groups,
    )


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator != 0 else float("nan")


def _nothing_to_compare() -> RoundComparison:
    values: dict[str, Any] = {field.name: np.empty(0) for field in fields(GroupComparison)}
    values["group"] = np.empty(0, dtype=np.int64)
    values["is_past_bound"] = values["is_past_fixed_point"] = np.empty(0, dtype=np.bool_)
    numbers: dict[str, Any] = {
        field.name: float("nan") for field in fields(RoundComparison) if field.name != "groups"
    }
    numbers["informative_fraction"] = 0.0
    return RoundComparison(groups=GroupComparison(**values), **numbers)
