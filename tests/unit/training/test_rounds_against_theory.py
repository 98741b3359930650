"""Rounds of PMD held against exact updates, from the tables of their rollouts."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import make_algorithm

from pmd_pipeline.schemas.theory import ComparedGroupTable
from pmd_pipeline.theory import compare_round, predict_update, solve_binary
from pmd_pipeline.training.theory_in_the_loop import (
    compared_groups,
    exact_update_of,
    theory_metrics,
)

REWARDS = (-1.0, 1.0)
N = 8


def make_round(
    num_right: dict[str, int], *, share: float = 0.5, tau: float = 0.5, number: int = 1
) -> pd.DataFrame:
    """Return the rollouts of a round of PMD-mean that went ``share`` of the way in each group."""
    rows: list[dict[str, Any]] = []
    for problem_id, right in num_right.items():
        p = min(max(right / N, 0.1), 0.9)
        exact = solve_binary(p, tau, method="pmd_mean", reward_low=-1.0)
        for i in range(N):
            correct = i < right
            log_ratio = exact.success_log_ratio if correct else exact.failure_log_ratio
            # The spread within a class leaves its mean alone.
            members = range(right) if correct else range(right, N)
            spread = 0.1 * (i - np.mean(members))
            rows.append(
                {
                    "round": number,
                    "problem_id": problem_id,
                    "correct": correct,
                    "reward": 1.0 if correct else -1.0,
                    "sequence_log_ratio": share * float(log_ratio) + spread,
                }
            )
    return pd.DataFrame(rows)


def test_only_pmd_with_two_rewards_and_equal_weights_has_a_known_update() -> None:
    """The others, a length penalty, weighted rollouts, a floor and weighed stale ones have none."""
    assert exact_update_of(make_algorithm(kind="grpo"), REWARDS) is None
    assert exact_update_of(make_algorithm(kind="on_policy_gradient"), REWARDS) is None
    assert exact_update_of(make_algorithm(kind="pmd_mean"), None) is None
    assert exact_update_of(make_algorithm(kind="pmd_part", partition_weights=True), REWARDS) is None
    assert exact_update_of(make_algorithm(kind="pmd_part", partition_floor=1e-8), REWARDS) is None
    assert exact_update_of(make_algorithm(), REWARDS, weighs_stale_rollouts=True) is None


@pytest.mark.parametrize(
    ("kind", "baseline", "leave_one_out"),
    [
        ("pmd_mean", "mean", False),
        ("pmd_mean", "leave_one_out_mean", True),
        ("pmd_part", "log_partition", False),
        ("pmd_part", "leave_one_out_log_partition", True),
    ],
)
def test_the_update_has_the_algorithms_tau_baseline_and_rewards(
    kind: str, baseline: str, leave_one_out: bool
) -> None:
    update = exact_update_of(make_algorithm(kind=kind, tau=0.3, baseline=baseline), (0.5, 2.0))
    assert update is not None
    assert (update.method, update.tau, update.leave_one_out) == (kind, 0.3, leave_one_out)
    assert (update.reward_low, update.reward_high) == (0.5, 2.0)


def test_a_round_that_went_half_way_has_slope_one_half() -> None:
    """Means over right and wrong rollouts, pass rates and rewards reach the comparison."""
    metrics = theory_metrics(
        make_round({"b": 2, "a": 4, "c": 6}), exact_update_of(make_algorithm(), REWARDS)
    )
    assert metrics["theory_slope"] == pytest.approx(0.5, rel=1e-12)
    assert metrics["theory_slope_success"] == pytest.approx(0.5, rel=1e-12)
    assert metrics["theory_informative_fraction"] == 1.0
    rates = np.array([0.25, 0.5, 0.75])
    exact = solve_binary(rates, 0.5, method="pmd_mean", reward_low=-1.0)
    assert metrics["theory_predicted_kl"] == pytest.approx(np.mean(exact.kl), rel=1e-12)


def test_pmd_part_is_predicted_for_groups_of_the_size_that_was_sampled() -> None:
    update = exact_update_of(make_algorithm(kind="pmd_part", tau=0.05), REWARDS)
    table = compared_groups("part", 0, [make_round({"a": 3})], update)
    exact = predict_update(0.375, 0.05, method="pmd_part", group_size=N, reward_low=-1.0)
    predicted = table.set_index("response")["predicted_log_ratio"]
    assert predicted["right"] == pytest.approx(exact.success_log_ratio, rel=1e-12)
    assert predicted["wrong"] == pytest.approx(exact.failure_log_ratio, rel=1e-12)


def test_rows_of_all_algorithms_have_the_same_columns() -> None:
    """Without a known update every number is NaN."""
    known = theory_metrics(make_round({"a": 4}), exact_update_of(make_algorithm(), REWARDS))
    unknown = theory_metrics(make_round({"a": 4}), None)
    assert list(known) == list(unknown)
    assert all(name.startswith("theory_") for name in known)
    assert all(math.isnan(value) for value in unknown.values())
    assert all(math.isfinite(value) for value in known.values())


def test_groups_that_the_prompt_filter_dropped_are_not_compared() -> None:
    """They were not trained on; the share of compared groups still counts them."""
    rollouts = make_round({"hard": 1, "middle": 4, "easy": 7})
    filtered = make_algorithm(prompt_filter={"low": -0.6, "high": 0.6})
    metrics = theory_metrics(rollouts, exact_update_of(filtered, REWARDS))
    assert metrics["theory_informative_fraction"] == pytest.approx(1 / 3)
    table = compared_groups("a", 0, [rollouts], exact_update_of(filtered, REWARDS))
    assert table["problem_id"].tolist() == ["middle", "middle"]


def test_unmeasured_rollouts_leave_their_group_out() -> None:
    """The share of compared groups is that of the measured ones."""
    rollouts = make_round({"a": 4, "b": 4, "all right": N})
    rollouts.loc[rollouts["problem_id"] == "a", "sequence_log_ratio"] = np.nan
    update = exact_update_of(make_algorithm(), REWARDS)
    table = compared_groups("x", 0, [rollouts], update)
    assert set(table["problem_id"]) == {"b"}
    assert theory_metrics(rollouts, update)["theory_informative_fraction"] == 0.5


def test_the_table_names_each_rounds_problems() -> None:
    """Groups keep their problem where others of the round have no rows, and rounds stay apart."""
    rounds = [
        make_round({"z": 4, "all right": 8, "m": 2}, number=3),
        make_round({"all wrong": 0, "q": 6}, number=4),
    ]
    table = compared_groups("mine", 3, rounds, exact_update_of(make_algorithm(), REWARDS))
    ComparedGroupTable.validate(table)
    right = table[table["response"] == "right"]
    assert right[["round", "problem_id", "pass_rate"]].to_numpy().tolist() == [
        [3, "z", 0.5],
        [3, "m", 0.25],
        [4, "q", 0.75],
    ]
    assert set(table["algorithm"]) == {"mine"}
    assert set(table["seed"]) == {3}
    assert right["measured_log_ratio"].to_numpy() == pytest.approx(
        0.5 * right["predicted_log_ratio"].to_numpy()
    )


@pytest.mark.parametrize("rounds", [[], [make_round({"a": 0, "b": N})]])
def test_nothing_to_compare_gives_a_table_without_rows(rounds: list[pd.DataFrame]) -> None:
    """No rounds, or no group with both outcomes: the same columns, and valid."""
    update = exact_update_of(make_algorithm(), REWARDS)
    empty, known = (
        compared_groups("a", 0, rounds, update),
        compared_groups("a", 0, [make_round({"a": 4})], update),
    )
    assert empty.empty
    assert list(empty.columns) == list(known.columns)
    assert ComparedGroupTable.validate(empty).dtypes.to_dict() == known.dtypes.to_dict()
    assert compared_groups("a", 0, [make_round({"a": 4})], None).empty


def test_groups_of_one_are_never_compared() -> None:
    rollouts = make_round({"a": 4}).drop_duplicates("correct")
    rollouts["problem_id"] = ["a", "b"]
    plain = exact_update_of(make_algorithm(baseline="mean"), REWARDS)
    assert theory_metrics(rollouts, plain)["theory_informative_fraction"] == 0.0


@pytest.mark.parametrize("method", ["pmd_mean", "pmd_part"])
def test_an_update_that_arrived_reads_as_one_from_estimated_pass_rates(method: Any) -> None:
    """At the fixed points of the true rates: slopes within 5 % of 1, rates estimated from eight."""
    generator = np.random.default_rng(0)
    p = generator.beta(2.0, 2.3, 20_000)
    right = generator.binomial(N, p)
    options: dict[str, Any] = {"tau": 0.5, "method": method, "group_size": N, "reward_low": -1.0}
    exact = predict_update(p, **options)
    result = compare_round(
        right / N,
        np.where(right > 0, exact.success_log_ratio, np.nan),
        np.where(right < N, exact.failure_log_ratio, np.nan),
        **options,
    )
    assert result.slope == pytest.approx(1.0, abs=0.05)
    assert result.slope_success == pytest.approx(1.0, abs=0.05)
    assert result.past_fixed_point_fraction == 1.0  # on one side or the other
