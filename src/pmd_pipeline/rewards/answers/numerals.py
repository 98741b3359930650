"""Comparisons of plain numbers: integers of any size, numerals in a base, rounded decimals."""

import re
from fractions import Fraction
from typing import Final

from pmd_pipeline.rewards.answers.exact import exact_value

NUM_DECIMALS: Final = 6  # an unending decimal must be right to so many places and digits
_PRINTED_DIGITS: Final = 15  # that are right in a number which a program prints

# Possessive: linear in the length of any text.
_INTEGER: Final = re.compile(r"\s*+([+-]?)([0-9]++)\s*+")
_LONG_DECIMAL: Final = re.compile(r"\s*-?[0-9]*\.([0-9]{6,})\s*")
_BASE_NAMES: Final = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7} | {
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "sixteen": 16,
}
_BASE: Final = re.compile(
    r"\s*(-?(?=[A-Z]*[0-9])[0-9A-Z]+)\s*_\s*(?:([0-9])|\{\s*\(?([0-9]{1,2})\)?\s*\}"
    rf"|\{{({'|'.join(_BASE_NAMES)})\}})\s*"
)


def integer_key(text: str) -> tuple[bool, str] | None:
    """Return sign and digits of a plain integer of any size, equal for equal integers, or None."""
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    digits = match[2].lstrip("0") or "0"
    return match[1] == "-" and digits != "0", digits


def rounded_equal(text: str, decimal: Fraction, fraction: Fraction) -> bool:
    """Accept ``0.333333`` for a third.

    Args:
        text: A decimal as it is written.
        decimal: Its value.
        fraction: What it may stand for; only a fraction whose decimals never end.

    Returns:
        True if the decimal has at least six decimal places and six significant digits and is the
        fraction rounded to that many places; or to 15 digits, as a program prints it with more:
        ``2.3333333333333335``.
    """
    match = _LONG_DECIMAL.fullmatch(text)
    if match is None or _terminates(fraction):
        return False
    scale = 10 ** len(match[1])
    digits = abs(decimal) * scale
    if digits >= 10 ** (_PRINTED_DIGITS - 1):
        return bool(abs(decimal - fraction) * 10**_PRINTED_DIGITS <= abs(fraction))
    enough = digits >= 10 ** (NUM_DECIMALS - 1)
    return bool(enough and round(fraction * scale) == decimal * scale)


def numerals_equal(answer: str, gold: str) -> bool | None:
    """Compare numerals of which at least one names its base, ``52_8``; None if neither does.

    A base that only the reference answer names is understood: ``52`` is right for ``52_8``. An
    answer in another base than the reference answer is compared by value.
    """
    read_answer, read_gold = _numeral(answer), _numeral(gold)
    if read_answer is None:
        if read_gold is None:
            return None
        return answer.strip().lstrip("0") == read_gold[0]
    if read_gold is not None and read_gold[1] == read_answer[1]:
        return read_answer[0] == read_gold[0]
    value = _value(*read_answer)
    expected = _value(*read_gold) if read_gold is not None else exact_value(gold)
    return value is not None and value == expected


def _numeral(text: str) -> tuple[str, int] | None:
    match = _BASE.fullmatch(text)
    if match is None:
        return None
    base = _BASE_NAMES[match[4]] if match[4] else int(match[2] or match[3])
    return match[1].lstrip("0"), base


def _value(digits: str, base: int) -> Fraction | None:
    try:
        return Fraction(int(digits, base)) if 2 <= base <= 36 else None
    except ValueError:
        return None


def _terminates(fraction: Fraction) -> bool:
    denominator = fraction.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return denominator == 1
