"""What a round of training did to each prompt group."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pmd_pipeline.theory.arrays import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLogRatios:
    """What was measured per prompt group; all [G].

    Attributes:
        group_id: The groups' ids, ascending.
        pass_rate: Share of right rollouts.
        measured_success: Mean sequence log-ratio of right rollouts, nats; NaN without any.
        measured_failure: Mean sequence log-ratio of wrong rollouts, nats; NaN without any.
        group_size: Rollouts.
    """

    group_id: NDArray[np.int64]
    pass_rate: FloatArray
    measured_success: FloatArray
    measured_failure: FloatArray
    group_size: NDArray[np.int64]


def summarise_groups(
    group_ids: ArrayLike, is_correct: ArrayLike, sequence_log_ratio: ArrayLike
) -> GroupLogRatios:
    """Return pass rates and mean log-ratios per group, from one number per rollout.

    Args:
        group_ids: Integers, rollouts of one prompt share one, [B].
        is_correct: True for right rollouts, [B].
        sequence_log_ratio: log new - log behaviour, summed over the response, nats, [B]; NaN for
            rollouts that were not measured (they still count for the pass rate).

    Raises:
        ValueError: If the shapes differ or there is no rollout.
    """
    ids, correct = np.asarray(group_ids), np.asarray(is_correct, dtype=bool)
    log_ratio = np.asarray(sequence_log_ratio, dtype=np.float64)
    if not ids.shape == correct.shape == log_ratio.shape or ids.ndim != 1 or ids.size == 0:
        raise ValueError(
            "group_ids, is_correct and sequence_log_ratio must all be [B] with B >= 1; found "
            f"shapes {ids.shape}, {correct.shape} and {log_ratio.shape}"
        )
    unique, index = np.unique(ids, return_inverse=True)
    sizes = np.bincount(index)

    def mean_where(selected: NDArray[np.bool_]) -> FloatArray:
        chosen = selected & ~np.isnan(log_ratio)
        counts = np.bincount(index[chosen], minlength=len(unique))
        sums = np.bincount(index[chosen], weights=log_ratio[chosen], minlength=len(unique))
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

    return GroupLogRatios(
        group_id=unique.astype(np.int64),
        pass_rate=np.bincount(index, weights=correct) / sizes,
        measured_success=mean_where(correct),
        measured_failure=mean_where(~correct),
        group_size=sizes.astype(np.int64),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupComparison:
    """Predicted against measured, for the G groups with both right and wrong measured rollouts.

    Attributes:
        group: Position in the input, [G].
        pass_rate: Estimated success probability before the update, [G].
        predicted_success: s+ of the exact update, nats, [G].
        predicted_failure: s- of the exact update, nats, [G].
        measured_success: Mean sequence log-ratio of right rollouts, nats, [G].
        measured_failure: Mean sequence log-ratio of wrong rollouts, nats, [G].
        predicted_lam: Multiplier of the exact update, [G].
        implied_lam: The multiplier with which the measured pair would be a fixed point, [G]; NaN
            where right and wrong rollouts moved alike.
        predicted_kl: KL(new || old) of the exact update, nats, [G].
        measured_kl: The same from the measured pair, nats, [G].
        predicted_chi2: chi-squared(new || old) of the exact update, [G].
        measured_chi2: The same from the measured pair, [G].
        is_past_bound: True where no exact update of either method goes so far, [G]: right rollouts
            above ``-log p``, or wrong ones below s- of PMD-part.
        is_past_fixed_point: True where right rollouts rose above or wrong ones fell below the
            prediction, [G].
    """

    group: NDArray[np.int64]
    pass_rate: FloatArray
    predicted_success: FloatArray
    predicted_failure: FloatArray
    measured_success: FloatArray
    measured_failure: FloatArray
    predicted_lam: FloatArray
    implied_lam: FloatArray
    predicted_kl: FloatArray
    measured_kl: FloatArray
    predicted_chi2: FloatArray
    measured_chi2: FloatArray
    is_past_bound: NDArray[np.bool_]
    is_past_fixed_point: NDArray[np.bool_]
