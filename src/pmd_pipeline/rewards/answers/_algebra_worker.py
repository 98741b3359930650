"""The process that compares answers by computer algebra; never imported by the package.

It is started as a script, so that it loads SymPy and, of the package, the server alone.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

from pmd_pipeline.processes.server import serve

_EVALUATED_DIGITS = 60  # of the difference of two exact numbers,
_ZERO_DIGITS = 50  # which counts as zero below this
_FLOAT_TOLERANCE = 1e-6  # relative, where one side is a rounded decimal


class Algebra:
    """What the process serves; made when SymPy and the parser's tables are loaded.

    That is so before the first comparison, whose time limit does not include it.
    """

    def __init__(self) -> None:
        logging.disable(logging.CRITICAL)
        if compare(r"\frac{\sqrt{3}}{3}", [r"\frac{1}{\sqrt{3}}"]) != "equal":
            raise RuntimeError("math-verify does not find sqrt(3)/3 equal to 1/sqrt(3)")

    def compare(self, gold: str, values: Sequence[str]) -> str:
        """See the function."""
        return compare(gold, values)


def compare(gold: str, values: Sequence[str]) -> str:
    """Return ``"equal"`` if math-verify finds every value equal to ``gold``.

    Otherwise ``"different"``, ``"unparsable"`` (an answer that is no mathematics), or ``"limit"``
    (out of memory or too deeply nested).
    """
    try:
        for value in values:
            verdict = _compare_one(gold, value)
            if verdict != "equal":
                return verdict
    except (MemoryError, RecursionError):
        return "limit"
    return "equal"


def _compare_one(gold: str, value: str) -> str:
    from math_verify import verify

    expected, found = _parse(gold), _parse(value)
    if found is None:
        return "unparsable"
    # No timeout of math-verify's own: it needs the main thread, and cannot stop C code.
    same = expected is not None and verify(
        expected, found, timeout_seconds=None, allow_set_relation_comp=True
    )
    return "equal" if same and _numerically_close(expected, found) else "different"


@lru_cache(maxsize=256)
def _parse(text: str) -> Any | None:
    """Return the SymPy object that ``text`` stands for, or None."""
    from latex2sympy2_extended import NormalizationConfig, latex2sympy, normalize_latex
    from math_verify.grader import should_treat_as_complex

    # Boxes and units have been dealt with; taking units off again would drop variables.
    config = NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none"
    )
    try:
        latex = normalize_latex(text, config)
        return latex2sympy(
            latex,
            is_real=not should_treat_as_complex(latex),
            convert_degrees=False,
            normalization_config=None,
        )
    except (MemoryError, RecursionError):
        raise
    except Exception:  # the parser raises bare exceptions
        return None


def _numerically_close(gold: Any, found: Any) -> bool:
    """Refuse what math-verify takes for equal after rounding: sqrt(2) and sqrt(2) + 10^-30."""
    sympy: Any = import_module("sympy")
    if not (isinstance(gold, sympy.Expr) and isinstance(found, sympy.Expr)):
        return True
    if gold.free_symbols or found.free_symbols:
        return True
    try:
        difference, size = (
            abs(sympy.N((gold - found).doit(), _EVALUATED_DIGITS)),
            abs(sympy.N(gold.doit(), 15)),
        )
        rounded = gold.has(sympy.Float) or found.has(sympy.Float)
        tolerance = _FLOAT_TOLERANCE * size if rounded else 10.0**-_ZERO_DIGITS * max(size, 1)
        return bool(difference <= tolerance)
    except (MemoryError, RecursionError):
        raise
    except Exception:  # not a number, such as an infinity minus itself
        return True


if __name__ == "__main__":
    serve(Algebra)
