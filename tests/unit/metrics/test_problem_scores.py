"""From completions of every policy to arrays of seeds and problems."""

import numpy as np
import pandas as pd
import pytest
from made_up_runs import made_up_completions

from pmd_pipeline.metrics.evaluation import evaluate_completions
from pmd_pipeline.metrics.problem_scores import (
    INITIAL_POLICY,
    PROBLEM_SCORE_COLUMNS,
    Measurement,
    final_scores,
    problem_scores,
    score_arrays,
)
from pmd_pipeline.metrics.seed_comparison import compare_over_seeds
from pmd_pipeline.statistics.two_level import two_level_estimate

# Right samples of 4 per problem, after two evaluated rounds, with two training seeds.
COUNTS = {(0, 2): [1, 2, 3], (0, 4): [2, 2, 4], (1, 2): [0, 2, 3], (1, 4): [1, 4, 4]}
INITIAL = [0, 1, 3]


def of_seed(seed: int) -> pd.DataFrame:
    rounds = [
        made_up_completions(counts).assign(round=round_index)
        for (run, round_index), counts in COUNTS.items()
        if run == seed
    ]
    return pd.concat(rounds, ignore_index=True)


@pytest.fixture
def scores() -> pd.DataFrame:
    runs = {("grpo", 0): of_seed(0), ("grpo", 1): of_seed(1), ("gspo", 0): of_seed(1)}
    return problem_scores(made_up_completions(INITIAL), runs, has_answers=True)


def test_arrays_hold_a_row_per_training_seed_and_a_column_per_problem(scores: pd.DataFrame) -> None:
    """avg@4 is c / 4 and pass@4 whether any is right, cell by cell."""
    assert list(scores.columns) == list(PROBLEM_SCORE_COLUMNS)
    arrays = score_arrays(scores)
    found = arrays[Measurement("grpo", 4, "aime", "avg_at_k", 4)]
    assert found.seeds == (0, 1)
    assert found.table.tolist() == [[0.5, 0.5, 1.0], [0.25, 1.0, 1.0]]
    passed = arrays[Measurement("grpo", 2, "aime", "pass_at_k", 4)]
    assert passed.table.tolist() == [[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    start = arrays[Measurement(INITIAL_POLICY, 0, "aime", "avg_at_k", 4)]
    assert (start.seeds, start.table.tolist()) == ((), [[0.0, 0.25, 0.75]])
    assert arrays[Measurement("gspo", 4, "aime", "avg_at_k", 4)].seeds == (0,)


def test_a_seeds_mean_over_problems_is_what_its_evaluation_says(scores: pd.DataFrame) -> None:
    """To the last bit, for every metric and k."""
    arrays = score_arrays(scores)
    for (seed, round_index), counts in COUNTS.items():
        evaluated = evaluate_completions(made_up_completions(counts))
        for metric, k, value, *_ in evaluated.itertuples(index=False):
            table = arrays[Measurement("grpo", round_index, "aime", metric, k)]
            assert table.table[table.seeds.index(seed)].mean() == value


def test_rows_of_policies_in_another_order_are_matched(scores: pd.DataFrame) -> None:
    """Completions of sets and problems in any order give the same table."""
    runs = {("grpo", 0): of_seed(0), ("grpo", 1): of_seed(1), ("gspo", 0): of_seed(1)}
    shuffled = {run: table.sample(frac=1, random_state=3) for run, table in runs.items()}
    again = problem_scores(made_up_completions(INITIAL), shuffled, has_answers=True)
    pd.testing.assert_frame_equal(again, scores)

    def two_sets(*names: str) -> pd.DataFrame:
        sets = [made_up_completions([i + 1, 2], eval_set=name) for i, name in enumerate("ab")]
        return pd.concat([sets["ab".index(name)] for name in names], ignore_index=True)

    one, other = (
        problem_scores(two_sets("a", "b"), {("grpo", 0): table.assign(round=1)}, has_answers=False)
        for table in (two_sets("a", "b"), two_sets("b", "a"))
    )
    pd.testing.assert_frame_equal(one, other)


def test_policies_that_were_scored_otherwise_are_refused() -> None:
    """Other problems or numbers of samples: the error names run, round and an example."""
    initial = made_up_completions([1, 2])
    for other in (made_up_completions([1]), made_up_completions([1, 2], k=8)):
        with pytest.raises(ValueError, match=r"^grpo, seed 3, round 2: .*same data"):
            problem_scores(initial, {("grpo", 3): other.assign(round=2)}, has_answers=True)
    with pytest.raises(ValueError, match=r"no training run.*training\.algorithms"):
        problem_scores(initial, {}, has_answers=True)


def test_policies_are_compared_after_their_last_round_by_avg_at_k(scores: pd.DataFrame) -> None:
    """Each algorithm's last evaluated round; the initial policy beside."""
    (final,) = final_scores(scores)
    assert (final.eval_set, final.metric, final.k) == ("aime", "avg_at_k", 4)
    assert final.initial.tolist() == [0.0, 0.25, 0.75]
    assert list(final.by_algorithm) == ["grpo", "gspo"]
    ours, theirs = final.shared("grpo", "gspo")
    assert (ours.tolist(), theirs.tolist()) == ([[0.5, 0.5, 1.0]], [[0.25, 1.0, 1.0]])


def test_without_verdicts_policies_are_compared_by_mean_reward() -> None:
    initial = made_up_completions([1, 2]).assign(correct=pd.NA)
    run = made_up_completions([2, 4]).assign(correct=pd.NA, round=1)
    (final,) = final_scores(problem_scores(initial, {("grpo", 0): run}, has_answers=False))
    assert final.metric == "mean_reward"
    assert final.by_algorithm["grpo"].table.tolist() == [[0.0, 1.0]]


def test_the_comparison_holds_means_over_seeds_with_two_level_intervals(
    scores: pd.DataFrame,
) -> None:
    """Every row is the estimate of its array, within what the metric can be."""
    table = compare_over_seeds(scores, level=0.9)
    assert list(table["algorithm"].unique()) == ["grpo", "gspo"]
    grpo = table[table["algorithm"] == "grpo"]
    assert list(grpo["round"].unique()) == [0, 2, 4]
    final = grpo[(grpo["round"] == 4) & (grpo["metric"] == "avg_at_k")].iloc[0]
    cells = np.array([[0.5, 0.5, 1.0], [0.25, 1.0, 1.0]])
    expected = two_level_estimate(cells, lowest=0.0, highest=1.0).interval(0.9)
    assert (final["value"], final["ci_low"], final["ci_high"]) == tuple(expected)
    shares = table[table["metric"] != "mean_response_tokens"]
    assert shares["ci_low"].ge(0).all()
    assert shares["ci_high"].le(1).all()


def test_with_one_seed_the_comparison_is_that_seeds_evaluation(scores: pd.DataFrame) -> None:
    """Values and intervals are those of its own evaluation, to the last bit; so is round 0."""
    table = compare_over_seeds(scores)
    gspo = table[table["algorithm"] == "gspo"].drop(columns=["algorithm", "eval_set"])
    for round_index, counts in ((0, INITIAL), (2, COUNTS[1, 2]), (4, COUNTS[1, 4])):
        found = gspo[gspo["round"] == round_index].drop(columns="round").reset_index(drop=True)
        pd.testing.assert_frame_equal(
            found, evaluate_completions(made_up_completions(counts)), rtol=0, atol=0
        )


def test_seeds_that_agree_leave_the_uncertainty_of_problems() -> None:
    """Three equal seeds have the interval of one, but for nothing: problems vary as before."""
    initial, final = made_up_completions([0, 1, 2, 3]), made_up_completions([1, 2, 4, 4])
    runs = {("grpo", seed): final.assign(round=1) for seed in range(3)}
    three = compare_over_seeds(problem_scores(initial, runs, has_answers=False))
    one = compare_over_seeds(
        problem_scores(initial, {("grpo", 0): runs["grpo", 0]}, has_answers=False)
    )
    pd.testing.assert_frame_equal(three, one, rtol=1e-12)
