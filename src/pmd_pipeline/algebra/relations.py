"""Whether two equations or inequalities say the same."""

from typing import Any, Final

import sympy

from pmd_pipeline.algebra.values import points, same_value, settled, vanishes

_MAX_OPERATIONS: Final = 60  # of an equation to be solved,
_MAX_DEGREE: Final = 4  # and its degree
_FLIPPED: Final = {
    sympy.StrictLessThan: sympy.StrictGreaterThan,
    sympy.LessThan: sympy.GreaterThan,
}


def same_relation(gold: Any, found: Any) -> bool:
    """Return True if two SymPy relations, no chains, say the same.

    One is the other times a constant, or both are solved by the same values of an unknown. What is
    true or false of itself, as ``1 = 1`` or an equation without solutions, equals nothing by its
    solutions. An equation of numbers has their two sides, in either order. Where the reference
    answer has its unknown alone on a side (``x = 5``), the answer must have it so too.
    """
    gold, found = _towards_greater(gold), _towards_greater(found)
    if type(gold) is not type(found):
        return False
    directed = not isinstance(gold, (sympy.Eq, sympy.Ne))
    one, other = settled(gold.lhs - gold.rhs), settled(found.lhs - found.rhs)
    if not one.free_symbols or not other.free_symbols:
        return _same_sides(gold, found)
    if one.free_symbols != other.free_symbols:
        return False
    if is_solved(gold):
        return is_solved(found) and _is_multiple(one, other, positive=directed)
    if _is_multiple(one, other, positive=directed):
        return True
    if directed:
        return False
    return _same_solutions(one, other)


def is_solved(relation: Any) -> bool:
    """Tell ``x = 5``, which ``2x = 10`` does not answer, from ``y = 2x + 3``."""
    sides = relation.lhs.doit(), relation.rhs.doit()
    return any(side.is_Symbol for side in sides) and not all(side.free_symbols for side in sides)


def _towards_greater(relation: Any) -> Any:
    flipped = _FLIPPED.get(type(relation))
    return relation if flipped is None else flipped(relation.rhs, relation.lhs, evaluate=False)


def _same_sides(gold: Any, found: Any) -> bool:
    if isinstance(gold, (sympy.Eq, sympy.Ne)) and _pairwise(
        (gold.lhs, gold.rhs), (found.rhs, found.lhs)
    ):
        return True
    return _pairwise((gold.lhs, gold.rhs), (found.lhs, found.rhs))


def _pairwise(ones: tuple[Any, Any], others: tuple[Any, Any]) -> bool:
    return all(same_value(one, other) for one, other in zip(ones, others, strict=True))


def _is_multiple(one: Any, other: Any, *, positive: bool) -> bool:
    """Tell whether ``one`` is a constant, not zero, times ``other``."""
    for point in points(one.free_symbols):
        top, bottom = one.subs(point), other.subs(point)
        if not (top.is_finite and bottom.is_finite) or vanishes(top) or vanishes(bottom):
            continue
        factor = top / bottom
        return (factor.is_positive is True or not positive) and same_value(one, factor * other)
    return False


def _same_solutions(one: Any, other: Any) -> bool:
    """Solve for each unknown; the solutions must be the same functions of the others."""
    agreeing = 0
    for symbol in sorted(one.free_symbols, key=str):
        ones, others = _solve(one, symbol), _solve(other, symbol)
        if ones is None or others is None:
            continue
        if not _match(ones, others):
            return False
        agreeing += 1
    return agreeing > 0


def _solve(zero: Any, symbol: Any) -> list[Any] | None:
    """Return the values of ``symbol``, complex ones too; None where they cannot be listed."""
    unknown = sympy.Dummy(symbol.name)
    zero = zero.xreplace({symbol: unknown})
    if not _is_soon_solved(zero, unknown):
        return None
    try:
        solutions = sympy.solve(zero, unknown)
    except NotImplementedError:
        return None
    if not isinstance(solutions, list) or not all(isinstance(s, sympy.Expr) for s in solutions):
        return None
    return solutions or None


def _is_soon_solved(zero: Any, unknown: Any) -> bool:
    """Tell what radicals solve, and what is turned around because the unknown stands there once."""
    if zero.count_ops() > _MAX_OPERATIONS:
        return False
    top = sympy.fraction(sympy.together(zero))[0]
    if top.is_polynomial(unknown):
        return bool(sympy.degree(top, unknown) <= _MAX_DEGREE)
    return bool(zero.count(unknown) == 1)


def _match(ones: list[Any], others: list[Any]) -> bool:
    """Tell whether each solution of either equation is one of the other's."""
    return all(any(same_value(a, b) for b in others) for a in ones) and all(
        any(same_value(b, a) for a in ones) for b in others
    )
