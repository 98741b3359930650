"""Results of units as JSON."""

import json
import math

import numpy as np
import pytest

from pmd_pipeline.claims.result_json import result_from_json, result_to_json
from pmd_pipeline.claims.results import (
    ClaimResults,
    Evaluation,
    GroupShift,
    SeedPair,
    TuningOutcome,
    TuningTrial,
    UnitResult,
)


def _result(*num_right: tuple[int, ...]) -> UnitResult:
    return UnitResult(
        settings={"algorithm": {"tau": 0.05}},
        seeds=SeedPair(warm_start=3, training=4),
        problem_ids=("a", "b"),
        evaluations=tuple(
            Evaluation(round=i, num_right=right, num_samples=4) for i, right in enumerate(num_right)
        ),
        rounds=({"round": 1, "entropy": 0.25, "kl": math.inf, "loss": math.nan},),
        groups=(
            GroupShift(
                round=1,
                num_right=1,
                num_wrong=3,
                right_mean=0.1 + 0.2,
                wrong_mean=-0.5,
                log_ratio_min=-2.0,
                kl=0.125,
                is_last=True,
            ),
        ),
        cpu_seconds={"training": 1.5},
        wall_seconds={"training": 2.5},
    )


def test_a_result_comes_back_from_its_file_with_every_bit() -> None:
    result = _result((1, 2), (3, 4))
    text = json.dumps(result_to_json(result), allow_nan=False)
    again = result_from_json(json.loads(text))
    assert math.isnan(again.rounds[0].pop("loss"))  # type: ignore[attr-defined]
    del result.rounds[0]["loss"]  # type: ignore[attr-defined]
    assert again == result
    assert again.groups[0].right_fraction == 0.25


def test_a_group_without_right_responses_has_no_mean_of_them() -> None:
    values = result_to_json(_result((0, 0)))
    values["groups"]["right_mean"] = [None]
    assert math.isnan(result_from_json(values).groups[0].right_mean)


def test_accuracies_and_curve_are_means_over_samples_and_evaluations() -> None:
    claim = ClaimResults(
        seeds=(SeedPair(warm_start=3, training=4),),
        arms={"arm": (_result((1, 2), (2, 2), (4, 0)),)},
        num_pairs=10,
    )
    np.testing.assert_array_equal(claim.initial_accuracies("arm"), [[0.25, 0.5]])
    np.testing.assert_array_equal(claim.final_accuracies("arm"), [[1.0, 0.0]])
    np.testing.assert_array_equal(claim.curve_accuracies("arm"), [[0.75, 0.25]])
    assert claim.arms["arm"][0].final.accuracy == 0.5


def test_a_tuning_chooses_the_best_mean_and_the_first_of_equals() -> None:
    trials = [
        TuningTrial(values={"algorithm.tau": tau}, accuracies=accuracies)
        for tau, accuracies in ((0.1, (0.9, 0.1)), (0.2, (0.6, 0.8)), (0.5, (0.7, 0.7)))
    ]
    assert TuningOutcome(trials=tuple(trials)).chosen.values == {"algorithm.tau": 0.2}


def test_the_curve_of_a_policy_that_was_never_trained_is_refused() -> None:
    with pytest.raises(ValueError, match="no evaluation after training"):
        _ = _result((1, 2)).curve
