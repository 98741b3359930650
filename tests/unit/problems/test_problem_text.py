"""Normalisation and comparison of texts and answers."""

import pytest

from pmd_pipeline.problems.text import answer_key, copy_key, duplicate_key, normalise_text, words


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("  a \t b\u00a0c  ", "a b c"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a \n\n\n\n b", "a\n\nb"),
        ("cafe\u0301", "caf\u00e9"),
        ("\ufeffa\u200bb", "ab"),
        ("1\x012", "1 2"),
        ("of the form \x0crac{m}{n}", r"of the form \frac{m}{n}"),
        ("$a=\text{min}$", r"$a=\text{min}$"),
        ("angle \x08eta", r"angle \beta"),
        ("two\textra blanks", "two extra blanks"),
        (r"\frac{a}{b} $x < y$", r"\frac{a}{b} $x < y$"),
    ],
)
def test_normalised_text_by_hand(text: str, normalised: str) -> None:
    assert normalise_text(text) == normalised
    assert normalise_text(normalised) == normalised


def test_duplicates_differ_in_white_space_alone() -> None:
    assert duplicate_key("a\n\nb c") == duplicate_key("a b\nc")
    assert duplicate_key("A b") != duplicate_key("a b")


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        ("063", "63", True),
        ("+5", "5", True),
        ("-0", "0", True),
        ("-1", "1", False),
        ("000", "0", True),
        ("1" * 5000, "0" + "1" * 5000, True),
        ("2/4", "1/2", False),
    ],
)
def test_integer_answers_compare_as_integers(left: str, right: str, equal: bool) -> None:
    assert (answer_key(left) == answer_key(right)) is equal


def test_typesetting_and_case_do_not_hide_a_copy() -> None:
    assert copy_key(r"Find $\dfrac{x}{2}$.") == copy_key(r"find \( \frac{x}{2} \).")
    assert copy_key(r"\left( a \right)") == copy_key("(a)")


def test_operators_make_texts_different() -> None:
    assert copy_key("12+34") != copy_key("12-34")
    assert copy_key("1+23") != copy_key("12+3")
    assert copy_key(r"a \leftarrow b") != copy_key("a arrow b")


def test_words_are_words_numbers_and_single_chinese_characters() -> None:
    assert words(r"Find $\frac{m}{12n}$: 求x") == ["find", "frac", "m", "12", "n", "求", "x"]
