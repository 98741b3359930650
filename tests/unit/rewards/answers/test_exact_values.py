from fractions import Fraction
from math import factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmd_pipeline.rewards import vote_label
from pmd_pipeline.rewards.answers.equivalence import AlgebraQuestion, Verdict, compare
from pmd_pipeline.rewards.answers.exact import exact_value

INTEGERS = st.integers(min_value=-(10**60), max_value=10**60)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234,567", Fraction(1234567)),
        ("-2^2", Fraction(-4)),
        ("(-2)^2", Fraction(4)),
        ("2^{-3}", Fraction(1, 8)),
        ("2^10", Fraction(1024)),
        (r"\frac{1}{2} + \frac13", Fraction(5, 6)),
        (r"\frac{10^{20} - 1}{9}", Fraction(int("1" * 20))),
        (r"-1\frac{4}{5}", Fraction(-9, 5)),
        ("1/2/3", Fraction(1, 6)),
        ("2 - 3 - 4", Fraction(-5)),
        (r"2 \cdot 3 + 4 \times 5", Fraction(26)),
        ("20!", Fraction(factorial(20))),
        (r"\binom{10}{3}", Fraction(120)),
        (r"0.1\overline{6}", Fraction(1, 6)),
        (r"0.142857142857142857\ldots", Fraction(1, 7)),
        ("3(4+5)", Fraction(27)),
        (r"6.02 \times 10^{23}", Fraction(602 * 10**21)),
    ],
)
def test_arithmetic_has_its_exact_value(text: str, value: Fraction) -> None:
    assert exact_value(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1 2",
        "1.2.3",
        "1/0",
        r"\frac{1}{0}",
        "0^0",
        "2^{1/2}",
        "1/2(3)",
        r"2\frac{3}{2}",
        "--5",
        "(5",
        "5)",
        "5+",
        "9^{9^{9^{9}}}",
        "(10^9)!",
        "5!!",
        "(" * 5000 + "5" + ")" * 5000,
        "1" * 5000,
    ],
)
def test_what_is_ambiguous_or_too_large_has_no_exact_value(text: str) -> None:
    assert exact_value(text) is None


@given(INTEGERS, INTEGERS)
def test_integers_are_compared_exactly(a: int, b: int) -> None:
    assert (compare(str(a), str(b)) is Verdict.EQUAL) == (a == b)
    assert compare(f"{a:,}", str(a)) is Verdict.EQUAL
    assert compare(f"{a}.0", str(b)) is (Verdict.EQUAL if a == b else Verdict.DIFFERENT)


@given(INTEGERS)
def test_neighbouring_integers_differ_at_any_size(a: int) -> None:
    for text in (str(a + 1), f"{a + 1:,}", f"{a + 1}.0", rf"\frac{{{2 * a + 2}}}{{2}}"):
        assert compare(text, str(a)) is Verdict.DIFFERENT


@given(INTEGERS, st.integers(min_value=1, max_value=10**20), st.integers(2, 10**6))
def test_fractions_are_equal_to_their_expansions_only(p: int, q: int, scale: int) -> None:
    gold = rf"\frac{{{p}}}{{{q}}}"
    assert compare(f"{p * scale}/{q * scale}", gold) is Verdict.EQUAL
    assert compare(f"{p * scale + 1}/{q * scale}", gold) is Verdict.DIFFERENT


def test_integer_of_200_000_digits_is_compared_by_its_digits() -> None:
    digits = "7" * 200_000
    assert compare("000" + digits, digits) is Verdict.EQUAL
    assert compare(digits[:-1] + "8", digits) is Verdict.DIFFERENT
    assert compare("-" + digits, digits) is Verdict.DIFFERENT


@given(st.text(max_size=60), st.sampled_from(["5", r"\frac{1}{2}", "(1,2)", "x=5", "50\\%"]))
def test_any_text_can_be_compared(answer: str, gold: str) -> None:
    assert isinstance(compare(answer, gold), Verdict | AlgebraQuestion)
    assert isinstance(vote_label(answer), str)


@given(st.text("0123456789\\{}()[],.+-/^_frac sqrtxtebomdlign$%°=<>|!'", max_size=80))
def test_any_formula_can_be_compared(answer: str) -> None:
    assert isinstance(compare(answer, r"\frac{3}{7}"), Verdict | AlgebraQuestion)


@pytest.mark.parametrize(
    ("answers", "label"),
    [
        (["1/2", "0.50", r"\frac{1}{2}", r"\dfrac12", "x = 1/2", "$0.5$"], "1/2"),
        (["5", "05", "5.0", r"5^\circ", r"5 \text{ cm}", "+5", r"\boxed{5}"], "5"),
        (["1,234", "1234"], "1234"),
        (["1, 2", "2,1", r"2 \text{ and } 1"], "1,2"),
        (["(2, 1)", r"\left(2, 1\right)", "y = 1, x = 2", "(x, y) = (2, 1)"], "(2,1)"),
        ([r"\sqrt{2}", r"\sqrt2", r"$\sqrt{2}$.", r"x = \sqrt 2"], r"\sqrt{2}"),
        ([r"1 \pm \sqrt2", r"1 - \sqrt{2}, 1 + \sqrt{2}"], r"1+\sqrt{2},1-\sqrt{2}"),
        (["x > 2", r"(2,\infty)", r"2 < x", r"\{x \mid x > 2\}"], r"(2,\infty)"),
        ([r"x<1 \text{ or } x>2", r"(2,\infty)\cup(-\infty,1)"], r"(-\infty,1)\cup(2,\infty)"),
        ([r"\pm 5", "5, -5", r"x = \pm 5"], "-5,5"),
        ([r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "(1, 2)"], "(1,2)"),
        (["C", "(C)", r"\text{(C)}", "(C) Plane", "C. 5", r"\text{Option C}"], "C"),
        (["Evelyn", r"\text{evelyn}"], "evelyn"),
        ([r"\emptyset", "no solution", r"\{\}"], r"\emptyset"),
        (["abc", "b c a", r"c \cdot b \cdot a"], "abc"),
        (["1e3", "1000", "= 1000", "1000<|im_end|>"], "1000"),
        ([r"\alpha+1", "α + 1"], r"\alpha+1"),
    ],
)
def test_answers_that_mean_the_same_share_a_vote_label(answers: list[str], label: str) -> None:
    assert {vote_label(answer) for answer in answers} == {label}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5", "3 = 5"),
        ("5", "-5"),
        ("5", "5, 5"),
        ("C", "D"),
        ("abc", "abd"),
        ("2A", "2a"),
        ("(1, 2)", "(2, 1)"),
        ("x > 2", r"x \ge 2"),
        (r"\pm 5", "5"),
        (r"\emptyset", "0"),
    ],
)
def test_answers_that_differ_do_not_vote_together(one: str, other: str) -> None:
    assert vote_label(one) != vote_label(other)


def test_no_answer_has_no_vote_label() -> None:
    assert vote_label(None) is None
