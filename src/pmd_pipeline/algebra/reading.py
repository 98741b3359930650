"""TeX read into objects of SymPy, and compared."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import sympy
from latex2sympy2_extended import NormalizationConfig, latex2sympy, normalize_latex
from latex2sympy2_extended.latex2sympy2 import ConversionConfig

from pmd_pipeline.algebra.equality import same
from pmd_pipeline.algebra.families import in_one_form
from pmd_pipeline.algebra.values import settled

_NUM_DECIMALS: Final = 6  # an unending decimal must be right to so many places and digits
_FLOAT_BITS: Final = 50  # of a number as a program prints it
_LONG_DECIMAL: Final = re.compile(r"\s*-?[0-9]*\.([0-9]{6,})\s*")
# Boxes and units have been dealt with; taking units off again would drop variables.
_NORMALIZATION: Final = NormalizationConfig(
    basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none"
)
_CONVERSION: Final = ConversionConfig(lowercase_symbols=False)  # a is not A


def compare(gold: str, values: Sequence[str], parameter: str = "") -> str:
    """Return ``"equal"`` if every value, in TeX, equals ``gold``.

    Otherwise ``"different"``, ``"unparsable"`` (an answer that is no mathematics), or ``"limit"``
    (out of memory or too deeply nested). A ``parameter`` is a letter that runs over all integers:
    formulas with it are compared as sets of values.
    """
    try:
        for value in values:
            verdict = _compare_one(gold, value, parameter)
            if verdict != "equal":
                return verdict
    except (MemoryError, RecursionError):
        return "limit"
    return "equal"


def _compare_one(gold: str, value: str, parameter: str) -> str:
    expected, found = read(gold), read(value)
    if found is None:
        return "unparsable"
    if expected is None:
        return "different"
    try:
        if parameter:
            expected, found = in_one_form(expected, parameter), in_one_form(found, parameter)
        equal = same(expected, found) or _rounded(value, expected) or _rounded(gold, found)
    except (MemoryError, RecursionError):
        raise
    except Exception:  # SymPy finds many ways to fail on what makes no sense
        return "different"
    return "equal" if equal else "different"


@lru_cache(maxsize=256)
def read(text: str) -> Any | None:
    """Return the SymPy object that ``text`` stands for, or None."""
    try:
        return latex2sympy(
            normalize_latex(text, _NORMALIZATION),
            is_real=True,
            normalization_config=None,
            conversion_config=_CONVERSION,
        )
    except (MemoryError, RecursionError):
        raise
    except Exception:  # the parser raises bare exceptions
        return None


def _rounded(text: str, exact: Any) -> bool:
    r"""Accept ``1.414214`` for the root of two: all places right, and six of them at least."""
    match = _LONG_DECIMAL.fullmatch(text)
    if match is None or not isinstance(exact, sympy.Expr) or not exact.is_number:
        return False
    decimal = sympy.Rational(text.strip())
    exact = settled(exact)
    places = len(match[1])
    if exact.is_rational or abs(decimal) * 10**places < 10 ** (_NUM_DECIMALS - 1):
        return False
    size = sympy.Rational(1, 2) / 10**places
    noise = abs(decimal) / 2**_FLOAT_BITS
    return bool(abs(exact - decimal) <= max(size, noise))
