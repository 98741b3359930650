import numpy as np
import pandas as pd
import pytest

from pmd_pipeline.metrics import (
    evaluate_completions,
    evaluate_problems,
    majority_at_k,
    pass_at_k,
)
from pmd_pipeline.statistics.two_level import two_level_estimate


def completions(rows: dict[str, list[tuple[str | None, bool]]]) -> pd.DataFrame:
    """Return a table of samples, given (answer, correct) pairs per problem."""
    return pd.DataFrame(
        [
            {
                "problem_id": problem,
                "sample_index": i,
                "answer": answer,
                "correct": correct,
                "truncated": answer is None,
                "num_tokens": 10 * (i + 1),
                "response": "not looked at",
            }
            for problem, samples in rows.items()
            for i, (answer, correct) in enumerate(samples)
        ]
    )


@pytest.fixture
def table() -> pd.DataFrame:
    return completions(
        {
            "p2": [("5", True), ("5", True), ("7", False), (None, False), ("5", True)],
            "p1": [("1", False), ("2", True), (None, False), ("1", False), ("3", False)],
        }
    )


def value(metrics: pd.DataFrame, metric: str, k: int) -> float:
    found = metrics[(metrics["metric"] == metric) & (metrics["k"] == k)]
    assert len(found) == 1
    return float(found["value"].iloc[0])


def test_rows_are_the_metrics_at_powers_of_two_and_at_n(table: pd.DataFrame) -> None:
    metrics = evaluate_completions(table)
    assert list(metrics.columns) == ["metric", "k", "value", "ci_low", "ci_high"]
    assert list(metrics[["metric", "k"]].itertuples(index=False, name=None)) == [
        ("avg_at_k", 5),
        *[("pass_at_k", k) for k in (1, 2, 4, 5)],
        *[("maj_at_k", k) for k in (1, 2, 4, 5)],
        ("truncated_fraction", 5),
        ("mean_response_tokens", 5),
    ]


def test_values_are_means_over_problems(table: pd.DataFrame) -> None:
    metrics = evaluate_completions(table)
    assert value(metrics, "avg_at_k", 5) == pytest.approx((3 / 5 + 1 / 5) / 2)
    for k in (1, 2, 4, 5):
        expected = (pass_at_k(5, 3, k) + pass_at_k(5, 1, k)) / 2
        assert value(metrics, "pass_at_k", k) == pytest.approx(expected)
        votes = majority_at_k(["5", "5", "7", None, "5"], [True, True, False, False, True], k)
        votes += majority_at_k(["1", "2", None, "1", "3"], [False, True, False, False, False], k)
        assert value(metrics, "maj_at_k", k) == pytest.approx(votes / 2)
    assert value(metrics, "maj_at_k", 5) == 0.5
    assert value(metrics, "truncated_fraction", 5) == pytest.approx(0.2)
    assert value(metrics, "mean_response_tokens", 5) == 30.0


def test_intervals_are_t_intervals_over_problems(table: pd.DataFrame) -> None:
    """They end at 0 and 1 where the metric does."""
    metrics = evaluate_completions(table, level=0.5)
    row = metrics.iloc[0]
    expected = two_level_estimate([[1 / 5, 3 / 5]]).interval(0.5)
    assert (row["value"], row["ci_low"], row["ci_high"]) == tuple(expected)
    wide = evaluate_completions(table, level=0.99)
    assert (wide.iloc[0]["ci_low"], wide.iloc[0]["ci_high"]) == (0.0, 1.0)
    assert (metrics["ci_low"] <= metrics["value"]).all()
    assert (metrics["value"] <= metrics["ci_high"]).all()


def test_order_of_rows_does_not_matter(table: pd.DataFrame) -> None:
    shuffled = table.sample(frac=1, random_state=3)
    assert evaluate_completions(shuffled).to_csv() == evaluate_completions(table).to_csv()


def test_per_problem_values_are_tidy(table: pd.DataFrame) -> None:
    problems = evaluate_problems(table)
    assert list(problems.columns) == ["metric", "k", "problem_id", "value"]
    averages = problems[problems["metric"] == "avg_at_k"]
    assert averages[["problem_id", "value"]].to_numpy().tolist() == [["p1", 0.2], ["p2", 0.6]]
    assert not problems.duplicated(["metric", "k", "problem_id"]).any()


def test_one_sample_of_one_problem_is_enough() -> None:
    metrics = evaluate_completions(completions({"p": [("5", True)]}))
    assert metrics["k"].unique().tolist() == [1]
    assert value(metrics, "maj_at_k", 1) == 1.0
    shares = metrics[metrics["metric"] != "mean_response_tokens"]
    assert (shares["ci_low"] == 0).all()
    assert (shares["ci_high"] == 1).all()
    assert np.isnan(metrics.iloc[-1]["ci_high"])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_answers_of_any_kind_do_not_vote(missing: object) -> None:
    table = completions({"p": [("5", True), ("x", False), ("x", False)]})
    table["answer"] = pd.Series(["5", missing, missing], dtype=object)
    assert value(evaluate_completions(table), "maj_at_k", 3) == 1.0


def test_nullable_and_integer_columns_are_read(table: pd.DataFrame) -> None:
    other = table.astype({"correct": "int64", "truncated": "boolean", "answer": "string"})
    pd.testing.assert_frame_equal(evaluate_completions(other), evaluate_completions(table))


def test_thirty_two_samples_of_thirty_problems_are_voted_on_up_to_all_of_them() -> None:
    rng = np.random.default_rng(0)
    samples = {
        f"p{i:02}": [(str(a), bool(a == 0)) for a in rng.integers(0, 20, 32)] for i in range(30)
    }
    metrics = evaluate_completions(completions(samples))
    assert metrics["k"].max() == 32


def test_without_a_verdict_the_mean_reward_is_measured_instead(table: pd.DataFrame) -> None:
    table["correct"] = pd.array([None] * len(table), dtype="boolean")
    table["reward"] = [0.5, 1.0, 1.5, 2.0, 2.5] * 2
    metrics = evaluate_completions(table)
    assert metrics["metric"].tolist() == [
        "mean_reward",
        "truncated_fraction",
        "mean_response_tokens",
    ]
    assert value(metrics, "mean_reward", 5) == 1.5


def test_one_response_without_a_verdict_is_enough(table: pd.DataFrame) -> None:
    judged = table.astype({"correct": "boolean"}).assign(reward=1.0)
    judged.loc[3, "correct"] = pd.NA
    assert value(evaluate_completions(judged), "mean_reward", 5) == 1.0


def test_a_reward_that_names_no_answers_has_no_majority(table: pd.DataFrame) -> None:
    every = evaluate_completions(table)
    without = evaluate_completions(table, has_answers=False)
    pd.testing.assert_frame_equal(
        without, every[every["metric"] != "maj_at_k"].reset_index(drop=True)
    )


def test_ragged_samples_are_refused_by_name(table: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"'p1' with 4"):
        evaluate_completions(table.iloc[:-1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="correct"), r"lacks the columns \['correct'\]"),
        (lambda t: t.iloc[:0], "empty"),
        (lambda t: t.assign(sample_index=0), "stand more than once.*'p2'"),
        (lambda t: t.assign(correct=2), "'correct' must hold True and False, found 2"),
        (lambda t: t.assign(correct=None), "no column 'reward' to measure instead"),
        (lambda t: t.assign(num_tokens=-1), "num_tokens"),
        (lambda t: t.assign(num_tokens="many"), "num_tokens"),
        (lambda t: t.assign(problem_id=None), "'problem_id' has 10 missing"),
    ],
)
def test_unusable_tables_are_refused(table, change, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        evaluate_completions(change(table))
