import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmd_pipeline.metrics import majority_at_k

ORACLES = Path(__file__).parents[2] / "fixtures" / "oracles" / "metric_cases.json"
TABLES = json.loads(ORACLES.read_text())["tables"]


def enumerated(answers: list[str | None], correct: list[float], k: int) -> float:
    """Return the mean over all draws of k samples, as defined."""
    scores = {a: np.mean([c for b, c in zip(answers, correct, strict=True) if b == a])
              for a in answers}  # fmt: skip
    outcomes = []
    for drawn in combinations(answers, k):
        votes = Counter(answer for answer in drawn if answer is not None)
        top = max(votes.values(), default=0)
        winners = [scores[answer] for answer, count in votes.items() if count == top]
        outcomes.append(np.mean(winners) if winners else 0.0)
    return float(np.mean(outcomes))


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t["name"])
def test_majority_agrees_with_the_oracle(table: dict) -> None:  # type: ignore[type-arg]
    for row in table["per_k"]:
        found = majority_at_k(table["answers"], table["scores"], row["k"])
        assert found == pytest.approx(row["maj_without_replacement"], abs=1e-14)
    full = majority_at_k(table["answers"], table["scores"], table["n"])
    assert full == table["maj_full_vote_uniform_ties"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", None]), st.booleans()), min_size=1,
             max_size=9),
    st.data(),
)  # fmt: skip
def test_majority_is_the_mean_over_all_draws(
    samples: list[tuple[str | None, bool]], data: st.DataObject
) -> None:
    answers, correct = [a for a, _ in samples], [float(c) for _, c in samples]
    k = data.draw(st.integers(1, len(samples)))
    assert majority_at_k(answers, correct, k) == pytest.approx(
        enumerated(answers, correct, k), abs=1e-13
    )


def test_tie_of_all_is_split_evenly() -> None:
    assert majority_at_k(["a", "b", "c", "d"], [True, False, False, False], 4) == 0.25
    assert majority_at_k(["a", "b", "c", "d"], [True, False, False, False], 2) == pytest.approx(
        0.25, rel=1e-14
    )


def test_missing_answers_do_not_vote() -> None:
    # one vote against two silent samples wins
    assert majority_at_k(["a", None, None], [True, False, False], 3) == 1.0
    # drawn alone, a silent sample elects nothing
    assert majority_at_k(["a", None, None], [True, False, False], 1) == pytest.approx(1 / 3)
    assert majority_at_k([None, None], [False, False], 2) == 0.0
    assert majority_at_k([None, None], [False, False], 1) == 0.0


def test_majority_of_one_is_the_average_of_the_answered() -> None:
    answers = ["5", "7", "5", None, "8", "5", "7", "9"]
    correct = [True, False, True, False, False, True, False, False]
    assert majority_at_k(answers, correct, 1) == pytest.approx(3 / 8, rel=1e-14)


def test_order_of_samples_does_not_matter() -> None:
    answers, correct = list("aabbbcdd"), [True, True, *[False] * 6]
    rng = np.random.default_rng(0)
    for k in (2, 3, 5):
        expected = majority_at_k(answers, correct, k)
        order = rng.permutation(8)
        shuffled = majority_at_k([answers[i] for i in order], [correct[i] for i in order], k)
        assert shuffled == pytest.approx(expected, rel=1e-13)


def test_answer_with_mixed_marks_is_worth_their_mean() -> None:
    assert majority_at_k(["a", "a"], [True, False], 2) == 0.5


@pytest.mark.parametrize("num_answers", [3, 16, 64])
def test_majority_of_half_of_64_samples_agrees_with_simulation(num_answers: int) -> None:
    rng = np.random.default_rng(num_answers)
    drawn = rng.integers(0, num_answers, 64)
    answers, correct = [str(a) for a in drawn], [bool(a == 0) for a in drawn]
    exact = majority_at_k(answers, correct, 32)
    outcomes = []
    for _ in range(4000):
        votes = np.bincount(drawn[rng.permutation(64)[:32]], minlength=num_answers)
        winners = np.flatnonzero(votes == votes.max())
        outcomes.append(float((winners == 0).sum() / len(winners)))
    error = 5 * np.std(outcomes) / np.sqrt(4000) + 1e-12
    assert abs(np.mean(outcomes) - exact) < error


def test_large_samples_neither_overflow_nor_lose_mass() -> None:
    answers = ["a"] * 700 + ["b"] * 500 + [None] * 300
    always = majority_at_k(answers, [True] * 1500, 40)
    assert always == pytest.approx(1.0, abs=1e-12)
    likely = majority_at_k(answers, [a == "a" for a in answers], 40)
    assert 0.8 < likely < 0.95


@pytest.mark.parametrize(
    ("answers", "correct", "k", "message"),
    [
        (["a"], [True, False], 1, "1 answers but 2 marks"),
        (["a"], [2.0], 1, "found 2.0"),
        (["a"], [float("nan")], 1, "found nan"),
        (["a"], [True], 2, "k must be within"),
        ([], [], 1, "k must be within"),
        (["a"], [True], 0, "k must be within"),
    ],
)
def test_impossible_votes_are_refused(answers, correct, k: int, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        majority_at_k(answers, correct, k)
