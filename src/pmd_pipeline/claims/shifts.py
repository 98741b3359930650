"""How far a round has moved each prompt's responses."""

import numpy as np

from pmd_pipeline.claims.results import Floats, GroupShift
from pmd_pipeline.metrics.diagnostics import kl_estimate
from pmd_pipeline.rollouts.batch import to_batch
from pmd_pipeline.training.cycle import MeasuredRollouts
from pmd_pipeline.training.mini_batches import mini_batches_of
from pmd_pipeline.training.round import RoundResult
from pmd_pipeline.training.setup import TrainingSetup


def group_shifts(result: RoundResult, setup: TrainingSetup) -> list[GroupShift]:
    """Return one record for each group whose log-ratios were measured, in the round's order."""
    return [
        shift
        for index, cycle in enumerate(result.cycles)
        for shift in _of_cycle(
            result.round_index, cycle, setup, is_last_cycle=index == len(result.cycles) - 1
        )
    ]


def _of_cycle(
    round_index: int, cycle: MeasuredRollouts, setup: TrainingSetup, *, is_last_cycle: bool
) -> list[GroupShift]:
    size = setup.group_size
    num_groups = len(cycle.rollouts) // size
    last_rows = mini_batches_of(to_batch(cycle.rollouts), setup)[-1].rows
    groups_of_last = set((last_rows // size).tolist()) if is_last_cycle else set()
    log_ratios = cycle.sequence_log_ratios.astype(np.float64).reshape(num_groups, size)
    is_right = np.array([bool(rollout.correct) for rollout in cycle.rollouts])
    return [
        _shift(
            round_index,
            log_ratios[group],
            is_right[group * size : (group + 1) * size],
            is_last=group in groups_of_last,
        )
        for group in range(num_groups)
        if np.isfinite(log_ratios[group]).all()
    ]


def _shift(
    round_index: int, log_ratios: Floats, is_right: np.ndarray, *, is_last: bool
) -> GroupShift:
    right, wrong = log_ratios[is_right], log_ratios[~is_right]
    return GroupShift(
        round=round_index,
        num_right=len(right),
        num_wrong=len(wrong),
        right_mean=_mean(right),
        wrong_mean=_mean(wrong),
        log_ratio_min=float(log_ratios.min()),
        kl=kl_estimate(log_ratios),
        is_last=is_last,
    )


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
