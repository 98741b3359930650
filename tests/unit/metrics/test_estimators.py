import json
from fractions import Fraction
from itertools import combinations
from math import comb
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmd_pipeline.metrics import average_at_k, pass_at_k

ORACLES = Path(__file__).parents[2] / "fixtures" / "oracles" / "metric_cases.json"
CASES = json.loads(ORACLES.read_text())


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 2000))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


@pytest.mark.parametrize("case", CASES["pass_at_k"], ids=lambda c: f"{c['n']}-{c['c']}-{c['k']}")
def test_pass_at_k_agrees_with_the_oracle(case: dict[str, object]) -> None:
    found = pass_at_k(case["n"], case["c"], case["k"])  # type: ignore[arg-type]
    assert found == case["pass_at_k"] == float(Fraction(str(case["fraction"])))


@pytest.mark.parametrize("table", CASES["tables"], ids=lambda t: t["name"])
def test_averages_and_pass_rates_of_the_oracle_tables(table: dict) -> None:  # type: ignore[type-arg]
    n, c = table["n"], int(sum(table["scores"]))
    for row in table["per_k"]:
        assert average_at_k(n, c, row["k"]) == table["avg"]
        assert pass_at_k(n, c, row["k"]) == pytest.approx(row["pass_at_k"], rel=1e-15)


def test_pass_at_k_counts_the_draws_that_hold_a_right_sample() -> None:
    for n in range(1, 8):
        for c in range(n + 1):
            for k in range(1, n + 1):
                draws = list(combinations([i < c for i in range(n)], k))
                assert pass_at_k(n, c, k) == sum(map(any, draws)) / len(draws)


@given(counts())
def test_pass_at_k_is_correctly_rounded_at_any_size(counts: tuple[int, int, int]) -> None:
    n, c, k = counts
    assert pass_at_k(n, c, k) == float(1 - Fraction(comb(n - c, k), comb(n, k)))


@given(counts())
def test_pass_at_1_is_the_average_and_pass_at_k_grows_with_k(counts: tuple[int, int, int]) -> None:
    n, c, k = counts
    assert pass_at_k(n, c, 1) == average_at_k(n, c, 1) == c / n
    assert pass_at_k(n, c, k) >= c / n
    assert k == n or pass_at_k(n, c, k) <= pass_at_k(n, c, k + 1)


@pytest.mark.parametrize("metric", [pass_at_k, average_at_k])
@pytest.mark.parametrize(
    ("n", "c", "k", "message"),
    [
        (4, 5, 1, r"num_correct must be within 0\.\.4.*found 5"),
        (4, -1, 1, "found -1"),
        (4, 2, 0, r"k must be within 1\.\.4.*found 0"),
        (4, 2, 5, "found 5.*lower k"),
        (0, 0, 1, "k must be within"),
        (4, 2.0, 1, "integers"),
    ],
)
def test_impossible_counts_are_refused(metric, n, c, k, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        metric(n, c, k)
