"""Models compared on the same problems."""

import math

import pytest
from made_up_runs import made_up_completions

from pmd_pipeline.metrics.models import model_differences, model_problem_scores, model_scores

# Of four problems, how many of four samples are right.
COMPLETIONS = {
    "weak": made_up_completions([0, 1, 0, 1]),
    "strong": made_up_completions([3, 4, 3, 4]),
    "twin": made_up_completions([3, 4, 3, 4]),
}
SCORES = model_problem_scores(COMPLETIONS, has_answers=True)


def test_each_models_scores_are_means_over_problems() -> None:
    table = model_scores(SCORES, level=0.95).set_index(["model", "metric", "k"])["value"]
    assert table["weak", "avg_at_k", 4] == pytest.approx(0.125)
    assert table["strong", "avg_at_k", 4] == pytest.approx(0.875)
    # One right of four: half of all pairs hold it.
    assert table["weak", "pass_at_k", 2] == pytest.approx(0.25)
    assert table["weak", "maj_at_k", 1] == table["weak", "pass_at_k", 1]


def test_differences_are_paired_and_the_verdict_is_of_the_first() -> None:
    """Each problem differs by 0.75: no problem of the kind is likely to differ otherwise."""
    pairs = model_differences(SCORES, margin=0.01, alpha=0.05, level=0.95)
    rows = pairs.set_index(["first", "second"])
    assert list(rows.index) == [("weak", "strong"), ("weak", "twin"), ("strong", "twin")]
    assert rows.loc["weak", "strong"]["difference"] == pytest.approx(-0.75)
    assert rows.loc["weak", "strong"]["verdict"] == "worse"
    assert rows.loc["strong", "twin"]["difference"] == 0
    assert set(pairs["num_problems"]) == {4}


def test_the_interval_of_a_difference_is_students_over_problems() -> None:
    uneven = {"a": made_up_completions([4, 2, 4, 2]), "b": made_up_completions([0, 2, 0, 2])}
    scores = model_problem_scores(uneven, has_answers=True)
    (row,) = model_differences(scores, margin=0.01, alpha=0.05, level=0.95).to_dict("records")
    # Differences 1, 0, 1, 0: mean 0.5, standard error sqrt(1/12); t(3) at 97.5 %: 3.1824.
    width = 3.182446 / math.sqrt(12)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.5 - width, 0.5 + width), rel=1e-5)
    assert row["verdict"] == "cannot be told"


def test_one_model_has_no_pair() -> None:
    scores = model_problem_scores({"weak": COMPLETIONS["weak"]}, has_answers=True)
    assert model_differences(scores, margin=0.01, alpha=0.05, level=0.95).empty


def test_models_that_answered_other_problems_are_not_compared() -> None:
    other = {**COMPLETIONS, "less": made_up_completions([1, 1, 1])}
    with pytest.raises(ValueError, match=r"weak and less were not scored alike, .*'p0003' of aime"):
        model_problem_scores(other, has_answers=True)
