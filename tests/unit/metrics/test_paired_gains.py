"""Differences between policies on the same problems."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import made_up_scores

from pmd_pipeline.metrics.gains import GAIN_COLUMNS, paired_gains
from pmd_pipeline.metrics.problem_scores import INITIAL_POLICY
from pmd_pipeline.statistics.two_level import two_level_estimate

INITIAL = np.array([0.25, 1.0, 1.0, 0.0])
PMD_MEAN = np.array([[0.5, 1.0, 1.0, 0.5], [0.25, 1.0, 1.0, 0.25]])
GRPO = np.array([[0.75, 1.0, 0.5, 0.5], [0.5, 1.0, 1.0, 0.5]])


def test_gains_are_mean_differences_over_seeds_and_problems() -> None:
    """Against the initial policy first, then against the reference, with two-level intervals."""
    scores = made_up_scores({"pmd_mean": PMD_MEAN, "grpo": GRPO}, INITIAL)
    table = paired_gains(scores, reference="pmd_mean", level=0.8)
    assert list(table.columns) == list(GAIN_COLUMNS)
    expected = {
        ("pmd_mean", INITIAL_POLICY): PMD_MEAN - INITIAL,
        ("grpo", INITIAL_POLICY): GRPO - INITIAL,
        ("grpo", "pmd_mean"): GRPO - PMD_MEAN,
    }
    assert list(zip(table["algorithm"], table["against"], strict=True)) == list(expected)
    for row, differences in zip(
        table[["gain", "ci_low", "ci_high"]].itertuples(index=False, name=None),
        expected.values(),
        strict=True,
    ):
        assert row == tuple(two_level_estimate(differences).interval(0.8))
    assert (table["k"] == 4).all()


def test_a_gain_common_to_all_problems_is_certain() -> None:
    """Every problem gains 1/4: pairing leaves an interval of no width."""
    scores = made_up_scores({"grpo": INITIAL[None, ::-1] * 0 + INITIAL + 0.25}, INITIAL)
    row = paired_gains(scores, reference=None).iloc[0]
    assert (row["ci_low"], row["gain"], row["ci_high"]) == (0.25, 0.25, 0.25)


def test_a_reference_that_was_not_trained_is_left_out() -> None:
    """A run of one algorithm needs no reference."""
    table = paired_gains(made_up_scores({"grpo": GRPO}, INITIAL), reference="pmd_mean")
    assert table["against"].tolist() == [INITIAL_POLICY]


def test_evaluation_sets_are_kept_apart() -> None:
    """One set gains, the other loses; problems of one name in both sets do not mix."""
    ones, zeros = np.ones((1, 3)), np.zeros((1, 3))
    scores = pd.concat(
        [
            made_up_scores({"grpo": ones}, zeros[0]),
            made_up_scores({"grpo": zeros}, ones[0], eval_set="math"),
        ]
    )
    table = paired_gains(scores, reference=None)
    assert dict(zip(table["eval_set"], table["gain"], strict=True)) == {"aime": 1.0, "math": -1.0}


def test_algorithms_of_different_seeds_are_compared_on_those_of_both() -> None:
    """And refused where there is none."""
    seeds = {"pmd_mean": (0, 1), "grpo": (1, 2)}
    scores = made_up_scores({"pmd_mean": PMD_MEAN, "grpo": GRPO}, INITIAL, seeds=seeds)
    gain = paired_gains(scores, reference="pmd_mean").iloc[-1]["gain"]
    assert gain == (GRPO[0] - PMD_MEAN[1]).mean()
    apart = made_up_scores(
        {"pmd_mean": PMD_MEAN, "grpo": GRPO}, INITIAL, seeds={**seeds, "grpo": (2, 3)}
    )
    with pytest.raises(ValueError, match=r"grpo .*\[2, 3\].*pmd_mean .*\[0, 1\].*train both"):
        paired_gains(apart, reference="pmd_mean")
