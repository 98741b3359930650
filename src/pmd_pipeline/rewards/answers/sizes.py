r"""How large a formula is, told from its text: ``9^{9^{9^{9}}}`` is short, and too large."""

import math
import re
from typing import Final

from pmd_pipeline.rewards.answers.exact import exact_value
from pmd_pipeline.rewards.answers.names import has_letters
from pmd_pipeline.rewards.answers.notation import closing_brace

# The longest reference answer of MATH-500 has 34 tokens and its brackets are two deep.
MAX_TOKENS: Final = 250
MAX_NESTING: Final = 12
MAX_EXPONENT: Final = 10_000
_MAX_EXPONENT_NESTING: Final = 2
_MAX_POWERS: Final = 30_000  # of a power of a power, multiplied
_MAX_RUN: Final = 8  # of signs, roots, functions, factorials or bars without a number between
_MAX_DIGITS: Final = 1000  # of all numbers together
_MAX_FACTORIAL: Final = 3000

_TOKEN: Final = re.compile(r"\\[a-zA-Z]+|\\.|[0-9.]+|\S")
_BRACKET: Final = re.compile(r"\\(?:begin|left)(?![a-zA-Z])|\\(?:end|right)(?![a-zA-Z])|[(){}\[\]]")
_OPENING: Final = frozenset({"\\begin", "\\left", "(", "{", "["})
_RUN: Final = re.compile(rf"(?:(?:\\[a-zA-Z]+|[-+!|√])\s*){{{_MAX_RUN},}}")
_REPEATED_POWER: Final = re.compile(r"(?:\^\s*(?:[^\s{]|\{[^{}]*\})\s*){2}")
_EXPONENT: Final = re.compile(r"\^\s*")
_FACTORIAL: Final = re.compile(r"([0-9]+|\{[^{}]*\}|\([^()]*\)|[)}\]])\s*!")
_BINOMIAL: Final = re.compile(r"\\binom\s*")


def is_too_large(text: str) -> bool:
    """Tell a formula that computer algebra would not work out in its time.

    Counted are tokens, digits, the nesting of brackets, signs and roots in a row, and what powers,
    factorials and binomials come to. Costs at most a millisecond for 2000 characters.
    """
    return (
        _is_long(text)
        or nesting(text) > MAX_NESTING
        or _RUN.search(text) is not None
        or _REPEATED_POWER.search(text) is not None
        or any(map(_is_large_factorial, _FACTORIAL.findall(text)))
        or any(_is_large(_argument_at(text, m.end())[0]) for m in _BINOMIAL.finditer(text))
        or _has_large_power(text)
    )


def nesting(text: str) -> int:
    """Return how deep the brackets of ``text`` are nested."""
    depth = deepest = 0
    for match in _BRACKET.finditer(text):
        depth += 1 if match.group() in _OPENING else -1
        deepest = max(deepest, depth)
    return deepest


def _is_long(text: str) -> bool:
    digits = sum(map(str.isdigit, text))
    return digits > _MAX_DIGITS or len(_TOKEN.findall(text)) > MAX_TOKENS


def _is_large_factorial(argument: str) -> bool:
    if argument in (")", "}", "]") or "!" in argument:
        return True  # of what is itself in brackets or a factorial
    return _is_large(argument.strip("(){}"), _MAX_FACTORIAL)


def _is_large(text: str, limit: int = MAX_EXPONENT) -> bool:
    """Tell a number that is beyond the limit, or too large to be read."""
    value = exact_value(text)
    if value is not None:
        return abs(value) > limit
    return not has_letters(text) and re.search(r"[\^!]", text) is not None


def _has_large_power(text: str) -> bool:
    """Look at each exponent, at those of a power in brackets together, and at their nesting."""
    ends: list[int] = []
    of_brackets = 1
    largest = max(
        (_size(argument.strip("(){}")) for argument in _FACTORIAL.findall(text)), default=1
    )
    for match in _EXPONENT.finditer(text):
        start = match.end()
        exponent, end = _argument_at(text, start)
        ends = [*(open_end for open_end in ends if open_end > start), end]
        nested = len(ends) + ("!" in exponent)
        if nested > _MAX_EXPONENT_NESTING or _is_large(exponent):
            return True
        if text[: match.start()].rstrip()[-1:] in (")", "}", "]"):
            of_brackets *= _size(exponent)
        else:
            largest = max(largest, _size(exponent))
    return of_brackets * largest > _MAX_POWERS


def _size(number: str) -> int:
    value = exact_value(number)
    return 1 if value is None else max(1, math.ceil(abs(value)))


def _argument_at(text: str, start: int) -> tuple[str, int]:
    """Return the TeX argument that begins at ``start``, and where it ends."""
    if text[start : start + 1] != "{":
        return text[start : start + 1], start + 1
    end = closing_brace(text, start)
    end = len(text) if end is None else end
    return text[start + 1 : end], end
