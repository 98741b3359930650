"""Words after a number that multiply it, and words that make something else of it."""

from fractions import Fraction
from typing import Final

from pmd_pipeline.rewards.answers.denials import DENIALS

_MULTIPLES: Final = {
    "tens": 10,
    "dozen": 12,
    "gross": 144,
    "hundred": 100,
    "thousand": 1000,
    "lakh": 10**5,
    "million": 10**6,
    "crore": 10**7,
    "billion": 10**9,
    "trillion": 10**12,
    "quadrillion": 10**15,
}
_PARTS: Final = {
    "half": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "eleventh": 11,
    "twelfth": 12,
    "sixteenth": 16,
    "twentieth": 20,
    "hundredth": 100,
    "thousandth": 1000,
    "millionth": 10**6,
}
_SCALES: Final = (
    {word: Fraction(value) for word, value in _MULTIPLES.items()}
    | {f"{word}s": Fraction(value) for word, value in _MULTIPLES.items() if word != "tens"}
    | {f"{word}s": Fraction(1, value) for word, value in _PARTS.items()}
    | {"halves": Fraction(1, 2), "ppm": Fraction(1, 10**6), "ppb": Fraction(1, 10**9)}
)
_NUMERALS: Final = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety
"""
# What changes a number, or is mathematics.
_MODIFIERS: Final = """
or and nor none more less fewer greater least most about over under above below plus minus times
divided mod modulo remainder rem to from between when where for else factorial squared cubed root
double twice base into infinity inf infinite undefined alpha beta gamma delta theta lambda sigma
omega sqrt frac sinh cosh tanh through until only with is are be than approximately roughly either
both but then pi any all percentage percentile permil permille promille basis repeating recurring
binary octal hex hexadecimal inverse reciprocal negated negative opposite conjugate imaginary prime
choose power score ish maybe perhaps possibly
"""
_NO_UNITS: Final = frozenset(_NUMERALS.split() + _MODIFIERS.split()) | DENIALS | _PARTS.keys()


def scale_of(word: str, *, of_one: bool = False) -> Fraction | None:
    """Return what ``word`` multiplies a number by: 1000 for "thousand", 1/3 for "thirds".

    Args:
        word: In lower case.
        of_one: Whether the number is 1, which alone has its part in the singular: "1 third".

    Returns:
        None if it multiplies nothing.
    """
    if of_one and word in _PARTS:
        return Fraction(1, _PARTS[word])
    return _SCALES.get(word)


def changes_number(word: str) -> bool:
    """Tell a word that no unit's name has after a number: "more", "wrong", "five", "third"."""
    return word in _NO_UNITS
