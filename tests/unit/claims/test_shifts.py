"""How far a round has moved each prompt's responses."""

import math
from dataclasses import replace

import numpy as np
from helpers import make_algorithm, make_rollouts, make_setup

from pmd_pipeline.claims.shifts import group_shifts
from pmd_pipeline.training.cycle import MeasuredRollouts
from pmd_pipeline.training.round import RoundResult


def _cycle(log_ratios: list[list[float]]) -> MeasuredRollouts:
    rollouts = make_rollouts(num_groups=len(log_ratios), group_size=len(log_ratios[0]))
    size = len(rollouts)
    return MeasuredRollouts(
        rollouts=rollouts,
        sampled_version=4,
        advantages=np.zeros(size),
        behaviour_log_probs=np.zeros(size, dtype=np.float32),
        sequence_log_ratios=np.array(log_ratios, dtype=np.float32).reshape(-1),
        mean_entropies=np.zeros(size, dtype=np.float32),
        trainer_log_probs=np.zeros(0, dtype=np.float32),
        sampler_log_probs=None,
    )


def _result(*cycles: MeasuredRollouts) -> RoundResult:
    return RoundResult(
        round_index=3,
        policy_version=6,
        learning_rate=1e-3,
        cycles=list(cycles),
        updates=[],
        num_skipped_updates=0,
        sampling_seconds=1.0,
        grading_seconds=1.0,
        updating_seconds=1.0,
        waiting_seconds=2.0,
        staleness_updates=0,
        staleness_rounds=0,
        num_generation_calls=1,
    )


def test_a_group_has_the_means_of_its_right_and_of_its_wrong_responses() -> None:
    nan = math.nan
    setup = make_setup(make_algorithm(), group_size=2, num_mini_batches=2)
    # Of make_rollouts, the first response of a group is right and the second is wrong.
    shifts = group_shifts(
        _result(_cycle([[0.5, -1.5], [nan, nan], [0.25, -0.5], [0.0, 0.0]])), setup
    )
    assert [shift.round for shift in shifts] == [3, 3, 3]  # one was not measured
    assert [(shift.right_mean, shift.wrong_mean) for shift in shifts] == [
        (0.5, -1.5),
        (0.25, -0.5),
        (0.0, 0.0),
    ]
    assert [shift.log_ratio_min for shift in shifts] == [-1.5, -0.5, 0.0]
    # k3: the mean of s e^s - e^s + 1, as the rollouts are the behaviour policy's.
    k3 = [s * math.exp(s) - math.exp(s) + 1 for s in (0.5, -1.5)]
    assert math.isclose(shifts[0].kl, sum(k3) / 2, rel_tol=1e-6)
    # Four groups, two mini-batches: the last two groups are in the last one.
    assert [shift.is_last for shift in shifts] == [False, True, True]


def test_on_policy_the_last_mini_batch_is_the_last_cycle() -> None:
    setup = make_setup(make_algorithm(kind="on_policy_gradient"), group_size=2, num_mini_batches=2)
    cycles = [_cycle([[0.1, -0.1]] * 2), _cycle([[0.2, -0.2]] * 2)]
    assert [shift.is_last for shift in group_shifts(_result(*cycles), setup)] == [
        False,
        False,
        True,
        True,
    ]


def test_a_group_without_right_responses_has_no_mean_of_them() -> None:
    setup = make_setup(make_algorithm(), group_size=2, num_mini_batches=2)
    cycle = _cycle([[0.5, -1.5], [0.5, -1.5]])
    wrong = [replace(rollout, correct=False) for rollout in cycle.rollouts]
    shifts = group_shifts(_result(replace(cycle, rollouts=wrong)), setup)
    assert math.isnan(shifts[0].right_mean)
    assert shifts[0].wrong_mean == -0.5
    assert (shifts[0].num_right, shifts[0].num_wrong, shifts[0].right_fraction) == (0, 2, 0.0)
