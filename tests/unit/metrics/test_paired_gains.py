"""Differences between policies on the same problems."""

import pandas as pd
import pytest

from pmd_pipeline.metrics.gains import GAIN_COLUMNS, INITIAL_POLICY, paired_gains
from pmd_pipeline.statistics.problem_bootstrap import paired_difference_interval


def completions(*num_correct: int, k: int = 4, eval_set: str = "aime") -> pd.DataFrame:
    """Return k samples per problem, of which so many are right."""
    rows = [
        (eval_set, f"p{problem}", sample, sample < count)
        for problem, count in enumerate(num_correct)
        for sample in range(k)
    ]
    return pd.DataFrame(rows, columns=["eval_set", "problem_id", "sample_index", "correct"])


def test_gains_are_mean_differences_over_problems() -> None:
    """0, 2 and 4 right of 4 against 1, 4 and 4: 1/4 + 2/4 + 0 over three problems."""
    table = paired_gains(
        completions(0, 2, 4), {"grpo": completions(1, 4, 4)}, reference=None, seed=0
    )
    assert list(table.columns) == list(GAIN_COLUMNS)
    (row,) = table.to_dict(orient="records")
    assert (row["algorithm"], row["against"], row["eval_set"], row["k"]) == (
        "grpo",
        INITIAL_POLICY,
        "aime",
        4,
    )
    assert row["gain"] == pytest.approx(0.25, rel=1e-15)


def test_intervals_are_those_of_the_paired_bootstrap() -> None:
    """Seed, level and number of resamples are passed on; problems are in sorted order."""
    initial, final = completions(0, 2, 4, 1), completions(1, 4, 4, 0)
    table = paired_gains(
        initial, {"grpo": final}, reference=None, seed=5, level=0.8, num_resamples=300
    )
    expected = paired_difference_interval(
        [0.25, 1.0, 1.0, 0.0], [0.0, 0.5, 1.0, 0.25], seed=5, level=0.8, num_resamples=300
    )
    found = table[["gain", "ci_low", "ci_high"]].iloc[0]
    assert found.tolist() == [expected.value, expected.low, expected.high]


def test_a_gain_common_to_all_problems_is_certain() -> None:
    """Every problem gains 1/4: pairing leaves an interval of no width."""
    row = paired_gains(
        completions(0, 1, 2, 3), {"grpo": completions(1, 2, 3, 4)}, reference=None, seed=0
    ).iloc[0]
    assert (row["ci_low"], row["gain"], row["ci_high"]) == (0.25, 0.25, 0.25)


def test_every_other_algorithm_is_compared_with_the_reference() -> None:
    """Gains over the initial policy come first, then those over the reference."""
    table = paired_gains(
        completions(0, 2),
        {"pmd_mean": completions(4, 4), "grpo": completions(4, 2), "gspo": completions(0, 2)},
        reference="pmd_mean",
        seed=0,
    )
    assert list(table[["algorithm", "against", "gain"]].itertuples(index=False, name=None)) == [
        ("pmd_mean", INITIAL_POLICY, 0.75),
        ("grpo", INITIAL_POLICY, 0.5),
        ("gspo", INITIAL_POLICY, 0.0),
        ("grpo", "pmd_mean", -0.25),
        ("gspo", "pmd_mean", -0.75),
    ]


def test_a_reference_that_was_not_trained_is_left_out() -> None:
    """A run of one algorithm needs no reference."""
    table = paired_gains(completions(0), {"grpo": completions(1)}, reference="pmd_mean", seed=0)
    assert table["against"].tolist() == [INITIAL_POLICY]


def test_evaluation_sets_are_kept_apart() -> None:
    """One set gains, the other loses; problems of one name in both sets do not mix."""
    initial = pd.concat([completions(0, 0), completions(4, 4, eval_set="math")])
    final = pd.concat([completions(4, 4), completions(0, 0, eval_set="math")])
    table = paired_gains(initial, {"grpo": final}, reference=None, seed=0)
    assert dict(zip(table["eval_set"], table["gain"], strict=True)) == {"aime": 1.0, "math": -1.0}


def test_the_order_of_completions_does_not_matter() -> None:
    """Shuffled rows give the same table."""
    initial, final = completions(0, 2, 4, 1, 3), completions(1, 4, 4, 0, 3)
    table = paired_gains(initial, {"grpo": final}, reference=None, seed=3)
    shuffled = paired_gains(
        initial.sample(frac=1, random_state=1),
        {"grpo": final.sample(frac=1, random_state=2)},
        reference=None,
        seed=3,
    )
    pd.testing.assert_frame_equal(table, shuffled)


def test_other_problems_or_sample_counts_are_refused() -> None:
    """Such policies cannot be paired; the error names an example and the remedy."""
    with pytest.raises(ValueError, match=r"answered different problems, for example .*'p1'"):
        paired_gains(completions(0, 1), {"grpo": completions(0)}, reference=None, seed=0)
    with pytest.raises(ValueError, match=r"'p0'\) with different numbers of samples"):
        paired_gains(completions(0), {"grpo": completions(0, k=8)}, reference=None, seed=0)


def test_without_verdicts_mean_rewards_are_compared() -> None:
    """On the reward's own scale, the same as correctness where the two are equal."""
    initial, final = completions(0, 2, 4, 1), completions(1, 4, 4, 0)
    expected = paired_gains(initial, {"grpo": final}, reference=None, seed=3)
    rewarded = [
        table.assign(reward=2.0 * table["correct"], correct=pd.NA) for table in (initial, final)
    ]
    table = paired_gains(rewarded[0], {"grpo": rewarded[1]}, reference=None, seed=3)
    for column in ("gain", "ci_low", "ci_high"):
        assert table[column].tolist() == (2 * expected[column]).tolist()
