"""Whether two numbers or two formulas are the same.

Numbers are the same when their difference is zero: exactly, or as far as a thousand digits show.
There is no tolerance, absolute or relative: a difference that has a first digit is a difference.
Formulas are the same when they are so at every point that is tried, among them every point where
the reference answer is a real number.
"""

import random
from collections.abc import Iterator, Mapping
from typing import Any, Final

import sympy

_DIGITS: Final = 1000  # to which a difference of numbers is looked for
_DIGITS_AT_A_POINT: Final = 300
_NUM_POINTS: Final = 4  # of each sort: positive, of any sign, whole
_FEWEST_POINTS: Final = 3  # fewer in the reference answer's domain show nothing
_PRIMES: Final = (7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)

_I: Final = sympy.Symbol("i", real=True)
_GAMMA: Final = sympy.Symbol("gamma", real=True)

Point = Mapping[Any, Any]


def settled(value: Any) -> Any:
    """Return an expression carried out: decimals exact, i the imaginary unit, gamma a letter."""
    exact = {d: sympy.Rational(str(d)) for d in value.atoms(sympy.Float)}
    letters = {sympy.EulerGamma: _GAMMA}
    if _I in value.free_symbols:  # and not what a sum runs over
        letters[_I] = sympy.I
    value = value.xreplace({**exact, **letters})
    if any(power.exp == 0 and power.base.doit() == 0 for power in value.atoms(sympy.Pow)):
        return sympy.nan  # SymPy would have 1
    return value.doit()


def same_value(gold: Any, found: Any) -> bool:
    """Return True if two SymPy expressions are one number, or one function of their symbols.

    Args:
        gold: The reference answer: where it is defined over the reals, ``found`` must be defined
            and equal. If it has an imaginary part, everywhere.
        found: The answer.
    """
    unknowns = found.free_symbols
    gold, found = settled(gold), settled(found)
    if gold.is_infinite and unknowns:
        return False  # SymPy takes infinity + x for infinity
    if not gold.has(sympy.I) and not found.has(sympy.I):
        gold, found = _with_real_roots(gold), _with_real_roots(found)
    if _is_undefined(gold) or _is_undefined(found):
        return False
    if gold == found:
        return True
    if gold.has(sympy.oo, -sympy.oo) or found.has(sympy.oo, -sympy.oo):
        return False
    difference = gold - found
    if not difference.free_symbols:
        return vanishes(difference, _DIGITS)
    agreeing = 0
    for point in points(gold.free_symbols | found.free_symbols):
        agree = _agree_at(gold, found, point)
        if agree is False:
            return False
        agreeing += agree is True
    return agreeing >= _FEWEST_POINTS or sympy.simplify(difference) == 0


def _with_real_roots(value: Any) -> Any:
    """Read odd roots as real functions, where SymPy takes the complex root: of -8 it is -2."""

    def real(base: Any, exponent: Any) -> Any:
        return sympy.sign(base) ** exponent.p * sympy.Abs(base) ** exponent

    return value.replace(
        lambda part: (
            part.is_Pow
            and part.exp.is_Rational
            and part.exp.q % 2 == 1
            and part.exp.q > 1
            and part.base.is_nonnegative is not True
        ),
        lambda part: real(part.base, part.exp),
    )


def vanishes(number: Any, digits: int = _DIGITS_AT_A_POINT) -> bool:
    """Tell whether a constant is zero, or so small that none of its digits can be found."""
    if number.is_Rational:
        return bool(number == 0)
    value = number.evalf(5, maxn=digits)
    if not value.is_number or _is_undefined(value):
        return False
    # SymPy keeps one bit of what it could not tell from zero.
    return all(p == 0 or getattr(p, "_prec", 0) == 1 for p in value.as_real_imag())


def points(symbols: Any) -> Iterator[Point]:
    """Yield points at which functions of ``symbols`` are compared, the same ones each time."""
    names = sorted(symbols, key=str)
    draw = random.Random(0)

    def fraction() -> Any:
        return sympy.Rational(draw.randrange(1, 100), draw.choice(_PRIMES))

    for _ in range(_NUM_POINTS):
        yield {name: fraction() for name in names}
    for _ in range(_NUM_POINTS):
        yield {name: fraction() * draw.choice((-1, 1)) for name in names}
    for start in range(2, 2 + _NUM_POINTS):
        yield {name: sympy.Integer(start + i) for i, name in enumerate(names)}


def defined_at(formula: Any, point: Point) -> bool:
    """Tell whether every part of a formula is a real number at ``point``."""
    return all(
        _is_real_there(part, point) for part in sympy.preorder_traversal(formula)
    ) and not _is_undefined(formula.subs(point))


def _is_real_there(part: Any, point: Point) -> bool:
    if isinstance(part, sympy.Pow) and part.exp.is_integer is not True:
        whole = part.exp.subs(point).is_integer is True
        return bool(whole or part.base.subs(point).is_negative is False)
    if isinstance(part, sympy.log):
        return bool(part.args[0].subs(point).is_positive)
    if isinstance(part, (sympy.asin, sympy.acos)):
        return (1 - abs(part.args[0].subs(point))).is_negative is False
    return True


def _agree_at(gold: Any, found: Any, point: Point) -> bool | None:
    """Return None where the reference answer is not defined."""
    if not gold.has(sympy.I):
        if not defined_at(gold, point):
            return None
        if not found.has(sympy.I) and not defined_at(found, point):
            return False
    difference = gold.subs(point) - found.subs(point)
    if _is_undefined(difference):
        return None if _is_undefined(gold.subs(point)) else False
    return vanishes(difference)


def _is_undefined(value: Any) -> bool:
    return bool(value.has(sympy.nan, sympy.zoo))
