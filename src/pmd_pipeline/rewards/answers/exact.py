r"""Exact values of arithmetic written in TeX: ``-\frac{7}{2}``, ``1{,}234``, ``2 \times 10^{22}``.

Most answers are such numbers. Reading them here keeps integers of any size exact and spares the
comparison in another process.
"""

import math
import re
from collections.abc import Iterator
from fractions import Fraction

MAX_BITS = 20_000  # of a numerator or denominator; beyond it a value counts as unreadable
MAX_DEPTH = 50
_MAX_DIGITS = 4000  # Python refuses to read integers of more than 4300
_MAX_FACTORIAL = 2000

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"|(?P<command>\\[a-zA-Z]+)|(?P<symbol>[-+*/^!(){}]))"
)
_DECIMAL = r"\s*(?P<sign>-?)(?P<whole>[0-9]{0,50})\.(?P<fixed>[0-9]{0,50}?)"
_DOTS = r"(?:\\ldots)?\s*"
_OVERLINED = re.compile(rf"{_DECIMAL}\\overline\s*(?:\{{(?P<period>[0-9]{{1,50}})\}}){_DOTS}")
_CONTINUED = re.compile(rf"{_DECIMAL}(?P<period>[0-9]{{1,6}})(?P=period){{2,40}}\s*\\ldots\s*")
_TIMES = frozenset({"*", r"\cdot", r"\times"})
_OVER = frozenset({"/", r"\div"})


class _UnreadableError(Exception):
    """Not arithmetic, or too large: the caller has no exact value."""


def exact_value(text: str) -> Fraction | None:
    r"""Return the exact rational value of arithmetic in TeX or plain text, or None.

    Read are integers and decimals (thousands in groups of three, leading zeros), repeating
    decimals (``0.\overline{3}``, ``0.333\ldots``), ``+ - * / ^ !``, ``\cdot``, ``\times``,
    ``\div``, ``\bmod``, ``\frac``, ``\binom``, parentheses, braces, and mixed numbers such as
    ``1\frac{4}{5}``. None means anything else: a symbol, a division by zero, ambiguous
    juxtaposition, or a value of more than 20,000 bits.
    """
    repeating = _repeating_decimal(text)
    if repeating is not None:
        return repeating
    try:
        return _Parser(text).value()
    except (_UnreadableError, ZeroDivisionError):
        return None


def _repeating_decimal(text: str) -> Fraction | None:
    r"""Read ``0.1\overline{6}``, and ``0.1666\ldots`` where a period stands three times."""
    match = _OVERLINED.fullmatch(text) or _CONTINUED.fullmatch(text)
    if match is None:
        return None
    sign, whole, fixed, period = match.group("sign", "whole", "fixed", "period")
    scale = 10 ** len(fixed)
    value = Fraction(int(whole or "0") * scale + int(fixed or "0"), scale)
    value += Fraction(int(period), scale * (10 ** len(period) - 1))
    return -value if sign else value


class _Parser:
    """Recursive descent over ``sum (or remainder) -> product -> signed -> power -> atom``."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._position = 0
        self._depth = 0

    def value(self) -> Fraction:
        result = self._sum()
        if self._peek() is not None:
            raise _UnreadableError
        return result

    def _peek(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _take(self, expected: str | None = None) -> str:
        token = self._peek()
        if token is None or (expected is not None and token != expected):
            raise _UnreadableError
        self._position += 1
        return token

    def _sum(self) -> Fraction:
        total = self._product()
        if self._peek() == r"\bmod":
            return self._remainder(total)
        while self._peek() in ("+", "-"):
            sign = 1 if self._take() == "+" else -1
            total = _bounded(total + sign * self._product())
        return total

    def _remainder(self, dividend: Fraction) -> Fraction:
        r"""Read ``17 \bmod 5``; what stands beside a sum (``1 + 17 \bmod 5``) is ambiguous."""
        self._take()
        modulus = self._product()
        if dividend.denominator != 1 or modulus.denominator != 1 or modulus <= 0:
            raise _UnreadableError
        if self._peek() in ("+", "-", r"\bmod"):
            raise _UnreadableError
        return dividend % modulus

    def _product(self) -> Fraction:
        result = self._signed()
        while (token := self._peek()) is not None:
            if token in _TIMES:
                self._take()
                result = _bounded(result * self._signed())
            elif token in _OVER:
                self._take()
                divisor = self._signed()
                if self._peek() in ("(", "{"):
                    raise _UnreadableError  # 1/2(3): one reading is as good as the other
                result = _bounded(result / divisor)
            elif token == "(":
                result = _bounded(result * self._power())
            else:
                break
        return result

    def _signed(self) -> Fraction:
        if self._peek() in ("+", "-"):
            sign = 1 if self._take() == "+" else -1
            if self._peek() in ("+", "-"):
                raise _UnreadableError
            return sign * self._power()
        return self._power()

    def _power(self) -> Fraction:
        base = self._factorial()
        if self._peek() != "^":
            return base
        self._take()
        exponent = self._exponent()
        if self._peek() in ("!", "^"):
            raise _UnreadableError
        if exponent.denominator != 1 or (base == 0 and exponent <= 0):
            raise _UnreadableError
        size = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(exponent) * size > MAX_BITS and abs(base) not in (0, 1):
            raise _UnreadableError
        return Fraction(base**exponent.numerator)

    def _exponent(self) -> Fraction:
        """Read ``2^{10}``, and ``2^10`` and ``2^(10)`` as their writer meant them."""
        if self._peek() == "(":
            return self._atom()
        if self._peek() == "-":
            self._take()
            return -self._exponent()
        if (self._peek() or "").isdigit():
            return _number(self._take())
        return self._argument()

    def _factorial(self) -> Fraction:
        value = self._atom()
        if self._peek() == "!":
            self._take()
            if value.denominator != 1 or not 0 <= value <= _MAX_FACTORIAL or self._peek() == "!":
                raise _UnreadableError
            return Fraction(_bounded(Fraction(math.factorial(value.numerator))))
        return value

    def _atom(self) -> Fraction:
        token = self._take()
        if token[0].isdigit() or token[0] == ".":
            value = _number(token)
            if self._peek() == r"\frac":
                return self._mixed_number(value)
            return value
        if token in ("(", "{"):
            return self._enclosed("}" if token == "{" else ")")
        if token == r"\frac":
            numerator = self._argument()
            return _bounded(numerator / self._argument())
        if token == r"\binom":
            top, bottom = self._argument(), self._argument()
            if top.denominator != 1 or bottom.denominator != 1 or not 0 <= bottom <= top <= 1000:
                raise _UnreadableError
            return _bounded(Fraction(math.comb(top.numerator, bottom.numerator)))
        raise _UnreadableError

    def _mixed_number(self, whole: Fraction) -> Fraction:
        part = self._atom()
        if whole.denominator != 1 or not 0 < part < 1:
            raise _UnreadableError
        return whole + part

    def _enclosed(self, closing: str) -> Fraction:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _UnreadableError
        value = self._sum()
        self._take(closing)
        self._depth -= 1
        return value

    def _argument(self) -> Fraction:
        r"""Read a TeX argument: a group, or a single digit (``\frac12`` is a half)."""
        token = self._take()
        if token == "{":
            return self._enclosed("}")
        if token[0].isdigit() and token.isdigit():
            if len(token) > 1:
                self._position -= 1
                self._tokens[self._position] = token[1:]
            return Fraction(int(token[0]))
        raise _UnreadableError


def _tokens(text: str) -> Iterator[str]:
    end = len(text.rstrip())
    position = 0
    previous_is_number = False
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _UnreadableError
        is_number = match["number"] is not None
        if is_number and previous_is_number:
            raise _UnreadableError  # "3 5" is two numbers, or a slip
        previous_is_number = is_number
        yield match[match.lastgroup or 0]
        position = match.end()


def _number(token: str) -> Fraction:
    digits = token.replace(",", "")
    if len(digits) > _MAX_DIGITS:
        raise _UnreadableError
    whole, _, decimals = digits.partition(".")
    return Fraction(int((whole + decimals) or "0"), 10 ** len(decimals))


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise _UnreadableError
    return value
