"""The process that compares answers by computer algebra; never imported by the package.

It is started as a script, so that it loads SymPy and nothing else of the package. It speaks JSON,
one object per line: it first says ``{"ready": true}``, then answers each
``{"gold": ..., "values": [...], "deadline_seconds": ...}`` with ``{"verdict": ...}``.

Three things end it: the end of its input; a new parent, which means that the old one is gone; and
an alarm that the kernel delivers when a comparison outlives its deadline by far, which the parent,
if it still lives, does not let happen. So no comparison outlives the run that asked for it.
"""

import json
import logging
import os
import select
import signal
import sys
from functools import lru_cache
from importlib import import_module
from typing import Any

PARENT_CHECK_SECONDS = 2.0
_EVALUATED_DIGITS = 60  # of the difference of two exact numbers,
_ZERO_DIGITS = 50  # which counts as zero below this
_FLOAT_TOLERANCE = 1e-6  # relative, where one side is a rounded decimal


def main() -> None:
    """Serve comparisons until the input ends."""
    answers = _private_standard_output()
    _limit_memory(int(sys.argv[1]))
    logging.disable(logging.CRITICAL)
    _warm_up()
    answers.write(b'{"ready": true}\n')
    parent = os.getppid()
    buffer = b""
    while True:
        ready, _, _ = select.select([0], [], [], PARENT_CHECK_SECONDS)
        if os.getppid() != parent:
            return
        if not ready:
            continue
        chunk = os.read(0, 65536)
        if not chunk:
            return
        buffer += chunk
        if buffer.endswith(b"\n"):
            reply = _answer(json.loads(buffer))
            answers.write(json.dumps({"verdict": reply}).encode() + b"\n")
            buffer = b""


def compare(gold: str, values: list[str]) -> str:
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


def _answer(request: dict[str, Any]) -> str:
    """Compare under a dead man's switch: without a handler the alarm ends the process."""
    signal.setitimer(signal.ITIMER_REAL, 2 * float(request["deadline_seconds"]) + 1)
    try:
        return compare(request["gold"], request["values"])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _private_standard_output() -> Any:
    """Return the stream of answers; what libraries print goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return answers


def _limit_memory(num_bytes: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (num_bytes, num_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # some systems have no such limit; the time limit still holds


def _warm_up() -> None:
    """Load SymPy and the parser's tables now, not within the first comparison's time limit."""
    if compare(r"\frac{\sqrt{3}}{3}", [r"\frac{1}{\sqrt{3}}"]) != "equal":
        raise RuntimeError("math-verify does not find sqrt(3)/3 equal to 1/sqrt(3)")


if __name__ == "__main__":
    main()
