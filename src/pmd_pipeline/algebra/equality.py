"""Whether what an answer stands for is what the reference answer stands for."""

from typing import Any

import sympy
from latex2sympy2_extended.logic import And

from pmd_pipeline.algebra.relations import is_solved, same_relation
from pmd_pipeline.algebra.values import same_value


def same(gold: Any, found: Any) -> bool:
    """Return True if two objects of SymPy mean the same; those of different kinds do not.

    Values and formulas, equations and inequalities (also as chains), intervals and their unions,
    finite sets, tuples and matrices. A condition on one unknown equals the set that fulfils it.
    """
    gold, found = _membership(gold), _membership(found)
    if isinstance(gold, sympy.Set) or isinstance(found, sympy.Set):
        return _same_sets(_as_set(gold), _as_set(found) if _is_solved(found) else found)
    if isinstance(gold, sympy.Tuple) and isinstance(found, sympy.Tuple):
        return _all_same(list(gold), list(found))
    if isinstance(gold, sympy.MatrixBase) and isinstance(found, sympy.MatrixBase):
        return gold.shape == found.shape and _all_same(list(gold.flat()), list(found.flat()))
    if _is_relation(gold) and _is_relation(found):
        return _same_relations(gold, found)
    if isinstance(gold, sympy.Expr) and isinstance(found, sympy.Expr):
        return same_value(gold, found)
    return False


def _membership(value: Any) -> Any:
    r"""Read ``x \in S``, which the parser takes for an equation, as the set."""
    if isinstance(value, sympy.Eq) and isinstance(value.rhs, sympy.Set):
        return value.rhs
    return value


def _is_relation(value: Any) -> bool:
    return bool(_links(value))


def _links(value: Any) -> list[Any]:
    r"""Return the relations of a chain such as ``1 < x \le 3``, in the order written."""
    links = list(value._unsorted_args) if isinstance(value, And) else [value]
    return (
        links if all(isinstance(link, sympy.core.relational.Relational) for link in links) else []
    )


def _same_relations(gold: Any, found: Any) -> bool:
    golds, founds = _links(gold), _links(found)
    if len(golds) == 1 == len(founds) and same_relation(gold, found):
        return True
    if len(golds) == len(founds) and all(map(same_relation, golds, founds)):
        return True
    if not _is_solved(found):
        return False
    one, other = _as_set(gold), _as_set(found)
    return isinstance(one, sympy.Set) and isinstance(other, sympy.Set) and _same_sets(one, other)


def _is_solved(condition: Any) -> bool:
    """Tell ``1 < x < 3`` from ``x^2 - 4x + 3 < 0``, which repeats the problem."""
    return all(map(is_solved, _links(condition)))


def _as_set(value: Any) -> Any:
    """Return the real numbers that fulfil a condition on one unknown, as a set.

    Anything else comes back as it is, and so does what no number or every number fulfils.
    """
    links = _links(value)
    if not links or any(isinstance(link, sympy.Eq) for link in links):
        return value
    try:
        fulfilling = sympy.And(*(link.doit() for link in links)).as_set()
    except (NotImplementedError, AttributeError, TypeError, ValueError):
        return value
    return value if fulfilling in (sympy.S.EmptySet, sympy.S.Reals) else fulfilling


def _same_sets(gold: Any, found: Any) -> bool:
    """Sets without a member equal by what they are called, not by conditions nobody fulfils."""
    if isinstance(gold, sympy.Tuple) or isinstance(found, sympy.Tuple):
        return _same_pair(gold, found)
    if not (isinstance(gold, sympy.Set) and isinstance(found, sympy.Set)):
        return False
    if isinstance(gold, sympy.FiniteSet) and isinstance(found, sympy.FiniteSet):
        return _same_members(list(gold.args), list(found.args))
    if isinstance(gold, sympy.Interval) and isinstance(found, sympy.Interval):
        return _same_intervals(gold, found)
    gold, found = gold.doit(), found.doit()
    parts, others = _parts(gold), _parts(found)
    if len(parts) == len(others) > 1:
        return _same_members(parts, others)
    return bool(gold == found or _no_difference(gold, found))


def _parts(union: Any) -> list[Any]:
    return list(union.args) if isinstance(union, sympy.Union) else [union]


def _no_difference(gold: Any, found: Any) -> bool:
    try:
        return (gold - found).is_empty is True and (found - gold).is_empty is True
    except (NotImplementedError, TypeError, ValueError):
        return False


def _same_intervals(gold: Any, found: Any) -> bool:
    return (
        gold.left_open == found.left_open
        and gold.right_open == found.right_open
        and same(gold.start, found.start)
        and same(gold.end, found.end)
    )


def _same_pair(gold: Any, found: Any) -> bool:
    """Compare a pair such as (2, 1) with what the parser took for an open interval: (a, b)."""
    pairs = [_pair(value) for value in (gold, found)]
    return all(pairs) and _all_same(*pairs)


def _pair(value: Any) -> list[Any]:
    if isinstance(value, sympy.Tuple):
        return list(value)
    if isinstance(value, sympy.Interval) and value.left_open and value.right_open:
        return [value.start, value.end]
    return []


def _all_same(golds: list[Any], founds: list[Any]) -> bool:
    return len(golds) == len(founds) and all(map(same, golds, founds))


def _same_members(golds: list[Any], founds: list[Any]) -> bool:
    """Match each with one of the others, in any order."""
    free = list(founds)
    for gold in golds:
        match = next((i for i, found in enumerate(free) if same(gold, found)), None)
        if match is None:
            return False
        del free[match]
    return not free
