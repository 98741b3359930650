r"""What an answer names before its value: ``x``, ``f(2)``, ``\angle ABC``, ``\text{Area}``."""

import re
from typing import Final

from pmd_pipeline.rewards.answers.denials import denies
from pmd_pipeline.rewards.answers.notation import compact

_MAX_CHARACTERS: Final = 80
_GREEK: Final = (
    "alpha|beta|gamma|delta|(?:var)?epsilon|zeta|eta|(?:var)?theta|iota|kappa|lambda|mu|nu|xi|"
    "rho|sigma|tau|upsilon|(?:var)?phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Sigma|Upsilon|"
    "Phi|Psi|Omega|ell"
)
_LETTER: Final = rf"(?:[a-zA-Z]|\\(?:{_GREEK})(?![a-zA-Z]))"
_ACCENTED: Final = (
    r"\\(?:hat|bar|vec|tilde|dot|overline|widehat|widetilde|overrightarrow|overset\{\w*\})"
    rf"\s*(?:\{{\s*(?:{_LETTER}\s*){{1,4}}\}}|{_LETTER})"
)
_WORD: Final = r"(?:[A-Z]{2,6}|[A-Z]?[a-z]{4,}|[A-Z][a-z]+|sum|age|max|min|gcd|lcm|ans|day|tax)"
_TEXT: Final = r"\\text\s*\{(?P<text>[^{}]*)\}"
_GROUP: Final = r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}"
_SUBSCRIPT: Final = rf"(?:_\s*(?:{_GROUP}|\w|\\[a-zA-Z]+))"
_ARGUMENTS: Final = (
    r"(?:\s*\([^()]*(?:\([^()]*\)[^()]*)*\)|\s*\[[^\[\]]*\]|\s*\\text\{\([^{}]*\)\})"
)
_MARKS: Final = rf"(?:'|\^\s*\{{?\s*\*\s*\}}?|{_SUBSCRIPT})*(?:\^\s*\{{\s*-1\s*\}})?"
_OPERATOR: Final = (
    r"(?:m\s*)?\\(?:angle|triangle|measuredangle|odot|deg|dim|det|arg|max|min|Pr|Delta|"
    rf"widehat|overarc)(?![a-zA-Z]){_SUBSCRIPT}?\s*"
)
_CORE: Final = rf"(?:{_LETTER}|{_ACCENTED}|[A-Z]{{2,6}}){_MARKS}{_ARGUMENTS}?"
_MEASURE: Final = r"\|\s*[A-Z][A-Z]?\s*\||\|\s*\\vec\s*\{?[a-zA-Z]\}?\s*\||\[[A-Z]{3,6}\]"
_SEVERAL: Final = rf"\(\s*{_LETTER}{_SUBSCRIPT}?(?:\s*,\s*{_LETTER}{_SUBSCRIPT}?){{1,9}}\s*\)"
_NAME: Final = re.compile(
    rf"(?:{_OPERATOR})?(?:{_CORE}|{_WORD}{_MARKS}{_ARGUMENTS}?(?:\s+{_WORD}|\s+[a-z]{{1,3}})*"
    rf"|{_MEASURE}|T{_MARKS}{_ARGUMENTS}?(?:\s*(?:{_OPERATOR})?(?:{_CORE}))?)"
    rf"|{_SEVERAL}"
)
_PROBLEM: Final = re.compile(
    r"\\(?:i{0,3}nt|oint|lim|limsup|liminf|sum|prod|sup|inf|gcd|lcm|det)(?![a-zA-Z])"
    r"|\\(?:max|min)(?![a-zA-Z])|\\begin\{vmatrix\}|\\frac\s*\{\s*(?:d|\\partial)\b[^{}]*\}\s*\{\s*(?:d|\\partial)"
)
_FINITE_SUM: Final = re.compile(
    r"\\(?:sum|prod)\s*_\s*\{\s*(?P<index>[a-z])\s*=\s*[0-9]+\s*\}\s*\^\s*(?:[0-9]|\{\s*[0-9]+\s*\})"
    r"(?P<terms>.*)"
)
_BINDS: Final = re.compile(
    r"_\s*\{?\s*([a-z])\s*(?:\\to|=|\\in)|(?<![a-zA-Z\\])d\s*([a-z])(?![a-zA-Z])"
)
_FUNCTION: Final = re.compile(r"(?<![a-zA-Z\\])[a-zA-Z](?=\s*(?:\(|_))")
_DERIVATIVE: Final = re.compile(r"[a-z]\s*'+\s*(?:\(\s*[a-z]\s*\))?")  # y' = 0 is to be solved
_ARGUMENT: Final = re.compile(r"\(\s*([a-z])\s*\)$")


def is_name(side: str) -> bool:
    r"""Tell one name from a value and from a formula of unknowns (``2x``, ``|x|``, ``x + y``).

    A name is a letter, a word, points (``AB``), or one of these with an index, an argument or an
    operator before it; text may stand around it. What denies is none: ``\text{not } x``.
    """
    if len(side) > _MAX_CHARACTERS:
        return False
    if any(denies(match["text"]) for match in re.finditer(_TEXT, side)) or denies(side):
        return False
    bare = _bare(side)
    if _DERIVATIVE.fullmatch(bare):
        return False
    return re.fullmatch(r"(?:T\s*)+", bare) is not None or _NAME.fullmatch(bare) is not None


def has_letters(side: str) -> bool:
    """Tell a formula of unknowns; other commands, text, e, i and an index are constants."""
    side = _FINITE_SUM.sub(_without_index, side)
    bare = re.sub(rf"\\(?!(?:{_GREEK})(?![a-zA-Z]))[a-zA-Z]+", "", re.sub(_TEXT, "", side))
    return re.search(r"[a-df-hj-zA-Z]", bare) is not None


def asks(side: str) -> bool:
    r"""Tell what only says what is sought: an integral, a limit, a derivative, an extremum.

    A finite sum of numbers is arithmetic, as ``5!`` is, and an infinite one is none.
    """
    return _PROBLEM.search(_FINITE_SUM.sub("", side)) is not None


def same_name(one: str, other: str) -> bool:
    """Compare names; case matters in letters, not in words."""
    one, other = compact(one.strip()), compact(other.strip())
    words = all(re.fullmatch(rf"{_TEXT}|[a-zA-Z ]{{4,}}", name) for name in (one, other))
    return one == other or (words and one.casefold() == other.casefold())


def without_bound(side: str) -> str:
    r"""Return ``side`` without functions and the letters that an integral or a limit binds."""
    bound = {a or b for a, b in _BINDS.findall(side)}
    letters = "".join(bound)
    side = _FUNCTION.sub("", side)
    side = re.sub(r"(?<![a-zA-Z\\])d\s*(?=[a-z])", "", side)
    return re.sub(rf"(?<![a-zA-Z\\])[{letters}](?![a-zA-Z])", "", side) if letters else side


def _without_index(match: re.Match[str]) -> str:
    """Write 1 for what a finite sum runs over."""
    return re.sub(rf"(?<![a-zA-Z\\]){match['index']}(?![a-zA-Z])", "1", match["terms"])


def argument_of(name: str) -> str | None:
    """Return the unknown that a function is named with, ``x`` in ``f(x)``; None in ``f(2)``."""
    match = _ARGUMENT.search(name)
    return match[1] if match else None


def _bare(side: str) -> str:
    """Write T for text, and leave it out before and after a name."""
    text = re.sub(_TEXT, "T", side).strip()
    inner = re.sub(r"^(?:T\s*)+(?=[^T\s(_'\[])|(?<=[^T\s])\s*(?:T\s*)+$", "", text).strip()
    return inner or text
