r"""Values for all integers n: ``\frac{\pi}{4} + n\pi`` is ``\frac{5\pi}{4} - n\pi``."""

from typing import Any

import sympy

from pmd_pipeline.algebra.values import settled


def in_one_form(value: Any, parameter: str) -> Any:
    """Return the same object for the same numbers, whatever integer the parameter starts from.

    Args:
        value: What the parser gave: a formula, or a set of formulas.
        parameter: The letter that runs over all integers.

    Returns:
        A formula that is linear in the parameter as a pair: its smallest value that is not
        negative, and the distance between values. Anything else as it is.
    """
    if isinstance(value, sympy.FiniteSet):
        return sympy.FiniteSet(*(in_one_form(element, parameter) for element in value.args))
    if not isinstance(value, sympy.Expr):
        return value
    symbol = sympy.Symbol(parameter, real=True)
    formula = settled(value)
    step, start = sympy.expand(formula.diff(symbol)), formula.subs(symbol, 0)
    if not (step.is_number and step.is_real and start.is_number and start.is_real) or step == 0:
        return value
    step = abs(step)
    return sympy.Tuple(start - step * sympy.floor(start / step), step)
