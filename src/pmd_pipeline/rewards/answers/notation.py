r"""One spelling for what is typeset in many: ``$\dfrac{1}{2}$.`` becomes ``\frac{1}{2}``."""

import re
from functools import lru_cache
from typing import Final

from pmd_pipeline.rewards.answers.characters import to_tex
from pmd_pipeline.rewards.answers.extraction import BOX_OPENING

THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:(?:,[0-9]{3})+|(?: [0-9]{3})+)(?![0-9,])")
_MAX_GROUPS: Final = 20
_TEXT_COMMANDS = (
    r"text(?:rm|bf|it|normal|sf|tt|up|md)?|math(?:rm|sf|tt|normal)|mbox|hbox|operatorname\*?"
)
_SIZES = "tiny|scriptsize|footnotesize|small|normalsize|large|Large|LARGE|huge|Huge"
_FUNCTIONS = (
    "arc(?:sin|cos|tan|cot|sec|csc)|(?:sin|cos|tan|cot|sec|csc)h?|log|ln|exp|det|gcd|max|min"
)
_MATH_STYLES = r"math(?:bf|it|cal|frak)|bold|bm|boldsymbol|ensuremath|underline|displaystyle"
_DIGITS = r"[0-9A-Z]*[0-9][0-9A-Z]*"
_DECIMAL = r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+"
_BASES = "[0-9]{1,2}|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|sixteen"
_POWER = r"((?:\^\{[0-9-]+\})?)"

# In this order; each is linear in the length of the text.
_REWRITES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\s+", " "),
        (r"(?<=[\w)}\]]) !=", r" \\ne "),  # with a space, as 3!= 6 is about a factorial
        (r"√\s*(\([^()]*\)|[0-9]+(?:\.[0-9]+)?|[a-zA-Z])", r"\\sqrt{\1}"),
        (r"(?<!\\)\\[()\[\]]", " "),  # \( \) \[ \]
        (r"\\text\s*\{\s*\$([^$]*)\$\s*\}", r"{\1}"),
        (r"(?<=[^\s\\$])\$\s+\$(?=[^\s$])", " ; "),  # $x$ $y$: two formulas
        (r"(?:(?<![a-zA-Z])US ?|\\text\s*\{\s*US\s*\}\s*)\\?\$ ?(?=[0-9.])", r"\\$"),
        (r"(?<!\\)\$", ""),
        # Plain text that means TeX: 2**10, x^10, sqrt(2), pi
        (r"(?<=[0-9a-zA-Z)}])\*\*(?=[0-9(-])", "^"),
        (r"\^\s*(-[0-9]+|[0-9]{2,})", r"^{\1}"),
        (r"(?<![0-9.])([0-9]+) +([0-9]+)/([0-9]+)(?![0-9])", r"\1\\frac{\2}{\3}"),
        (r"([_^])\s*([0-9])(?![0-9])", r"\1{\2}"),
        (r"\\frac\s*([0-9])\s+([0-9])", r"\\frac{\1}{\2}"),
        (r"\\sqrt\s*(\[[^\[\]]*\])\s*([0-9a-zA-Z])", r"\\sqrt\1{\2}"),
        (r"\\sqrt\s*([0-9a-zA-Z])(?![0-9])", r"\\sqrt{\1}"),
        (r"\\var(?=(?:epsilon|theta|rho|sigma|phi)(?![a-zA-Z]))", r"\\"),
        (r"\\mod(?![a-zA-Z])", r"\\bmod"),
        (r"(?<![a-zA-Z\\])sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (rf"(?<![a-zA-Z\\{{])({_FUNCTIONS}|pi|infty)(?![a-zA-Z])", r"\\\1 "),
        (r"\{([^{}]*)\\choose(?![a-zA-Z])([^{}]*)\}", r"\\binom{\1}{\2}"),
        (r"\\begin\{(?:equation|align|gather|math|displaymath)\*?\}", ""),
        (r"\\end\{(?:equation|align|gather|math|displaymath)\*?\}", ""),
        (r"(?<!\\)\\!\s*", ""),
        (r"\{\s*,\s*\}", ","),
        (r"\\(?:qquad|quad)(?=\s*\\(?:text|mathrm|mbox))", " "),
        (r"\\(?:qquad|quad)(?![a-zA-Z])", " ; "),
        (r"(?<!\\)\\[,;:> ]|(?<!\\)~|\\(?:thinspace|medspace|thickspace|enspace)(?![a-zA-Z])", " "),
        (r"\\hspace\*?\s*\{[^{}]*\}", " ; "),
        (r"\\[hv]?phantom\s*\{[^{}]*\}", " "),
        (r"^\s*\\(?:therefore|implies|Rightarrow)(?![a-zA-Z])", ""),
        (rf"\\(?:{_SIZES})(?![a-zA-Z])", ""),
        (r"\\(?:displaystyle|textstyle|limits|nolimits|rm|bf|it)(?![a-zA-Z])", ""),
        (r"\\(?:left|right|[bB]igg?[lrm]?)(?![a-zA-Z])\s*\.?", ""),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"\\[dt]binom(?![a-zA-Z])", r"\\binom"),
        (r"\\(?:leq|leqslant|leqq)(?![a-zA-Z])", r"\\le"),
        (r"\\(?:geq|geqslant|geqq)(?![a-zA-Z])", r"\\ge"),
        (r"\\neq(?![a-zA-Z])|\\not\s*(?:=|\{\s*=\s*\})|=?/=", r"\\ne "),
        (r"(?<=[^=\s])(\s*)={2,3}", r"\1="),
        (r"\\big(?=(?:cup|cap)(?![a-zA-Z]))", r"\\"),
        (r"\\(?:lbrace)(?![a-zA-Z])", r"\\{"),
        (r"\\(?:rbrace)(?![a-zA-Z])", r"\\}"),
        (rf"\\(?:{_TEXT_COMMANDS})\s*\{{\s*({_FUNCTIONS})\s*\}}", r"\\\1 "),
        (rf"\\(?:{_TEXT_COMMANDS})\s*\{{\s*([ei])\s*\}}", r"{\1}"),
        (rf"\\(?:{_TEXT_COMMANDS})\s*\{{", r"\\text{"),
        (rf"\\(?:{_MATH_STYLES})\s*\{{", "{"),
        (r"\\(?:text)?color\s*\{[^{}]*\}", ""),
        (r"\\varnothing(?![a-zA-Z])", r"\\emptyset "),
        (r"\\mathbb\s*\{?\s*R\s*\}?", r"(-\\infty , \\infty )"),
        (r"\\langle(?![a-zA-Z])", "("),
        (r"\\rangle(?![a-zA-Z])", ")"),
        (r"\\text\{([^{}a-zA-Z\\]*)\}", r" \1 "),  # \text{,} and \text{5}: no words
        (r"\\text\{([^{}]*?)\b(and|or)\s*\}", r"\\text{\1} \2 "),
        (r"\\text\{\s*(and|or)\b([^{}]*)\}", r" \1 \\text{\2}"),
        (r"\\text\{\s*\}", " "),
        (r"\s*(?:\^\s*\{\s*\\circ\s*\}|\^\s*\\circ(?![a-zA-Z])|\\degree(?![a-zA-Z]))", "°"),
        (r"\s*°", "°"),
        (
            rf"(\\(?:sin|cos|tan|cot|sec|csc)){_POWER}\s*\(?\s*([0-9.]+)°\s*\)?",
            r"\1\2{\\frac{\3\\pi}{180}}",
        ),
        (r"(?<=[0-9])\s*\^\s*\{\s*\\text\{\s*(?:st|nd|rd|th)\s*\}\s*\}", ""),
        (r"(?<=[0-9])\s*\^?\s*\\text\{\s*(?:st|nd|rd|th)\s*\}", ""),
        (r"(?<=[0-9])(?:\^\{\s*(?:st|nd|rd|th)\s*\}|(?:st|nd|rd|th)(?![a-zA-Z]))", ""),
        (  # a quotient of units
            rf"\\frac\{{(\\text\{{[^{{}}]*\}})\}}\{{(\\text\{{[^{{}}]*\}}{_POWER})\}}$",
            r"\1/\2",
        ),
        (r"\\(?:[lc]?dots|dotsc)(?![a-zA-Z])|\.\.\.+|…", r"\\ldots "),
        # Numerals: (110)_2, 110 base 2, 0.\dot{3}, 0.(3), 1e3
        (rf"\(({_DIGITS})\)\s*(?=_)", r"\1"),
        (rf"\\text\{{\s*({_DIGITS})\s*\}}\s*(?=_)", r"\1"),
        (rf"(?<=[0-9A-Z])_ ?(?:\{{ ?)?(?:\\text\{{ ?)?(?:base ?\}}? ?)?({_BASES}) ?\}}*", r"_{\1}"),
        (rf"(?<=[0-9A-Z]) ?(?:\\text\{{ ?base ?\}} ?| base )({_BASES})(?![0-9a-z])", r"_{\1}"),
        (rf"(?<=[0-9A-Z]) ?\\text\{{ ?(?:in )?base ({_BASES}) ?\}}", r"_{\1}"),
        (
            r"(?<=\.)([0-9]*)\\(?:bar|dot) ?(?:\{([0-9]+)\}|([0-9]))(?![0-9\\])",
            r"\1\\overline{\2\3}",
        ),
        (
            r"(?<=\.)([0-9]*)\\dot ?\{?([0-9])\}?([0-9]*)\\dot ?\{?([0-9])\}?(?![0-9])",
            r"\1\\overline{\2\3\4}",
        ),
        (r"(?<=[0-9]\.)\(([0-9]+)\)", r"\\overline{\1}"),
        (rf"(?<![\w.\\}}])({_DECIMAL})[eE]([+-]?[0-9]{{1,4}})(?![\w.])", r"\1 \\times 10^{\2}"),
        (r"^\s*[=:]\s*(?![=:])", ""),
        (r"\s+", " "),
    )
)
# A model's end tokens, closing tags, the sign that a proof is done, an equation's number.
_TAIL: Final = re.compile(
    r"\s*(?:<\|[^<>|]{1,40}\|>|</[a-zA-Z_]{1,20}>|<[a-z]{1,10} ?/>|<br>|✓|✔|✅"
    r"|\\(?:blacksquare|square|Box|qed|qedsymbol|qedhere|checkmark)(?![a-zA-Z])"
    r"|\\tag\*?\s*\{[^{}]*\}|\\hfill(?![a-zA-Z]))\s*$"
)
_TAGGED: Final = re.compile(r"^<(?P<tag>[a-zA-Z_]{1,20})>(?P<content>.*)</(?P=tag)>$")
_DOUBLED_COMMAND: Final = re.compile(
    r"(?<!\\)\\\\(?:[dt]?frac|sqrt|text|pi|left|cdot|times|mathrm|begin|[{}])"
)
_SINGLE_BACKSLASH: Final = re.compile(r"(?<!\\)\\(?!\\)")
_WRAPPED_FORMULA: Final = re.compile(r"^\\text\{([^{}]*[0-9][^{}]*)\}$")


@lru_cache(maxsize=4096)  # the n responses of a group share a reference answer, and often answers
def normalise_notation(answer: str) -> str:
    r"""Return ``answer`` with spacing, delimiters, wrappers and synonyms of TeX spelled one way.

    The mathematical reading is kept: units, thousands separators and text stay; ``\quad`` between
    two expressions becomes ``;``, since it separates them.
    """
    text = BOX_OPENING.sub("{", to_tex(_halve_backslashes(answer)))
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return _strip_decoration(text)


def compact(text: str) -> str:
    """Return normalised ``text`` without the spaces that part no two letters or digits."""
    return re.sub(r"(?<![a-zA-Z0-9.]) | (?![a-zA-Z0-9.])", "", text)


def join_thousands(text: str) -> str:
    """Write ``1,234`` and ``1 234`` as ``1234``, except within ( ), [ ] and set braces.

    There a comma separates: ``(1,234)`` is a pair.
    """
    if THOUSANDS.search(text) is None:
        return text
    pieces: list[str] = []
    depth = 0
    for piece in re.split(r"(\\[{}]|[()\[\]])", text):
        if piece in ("(", "[", r"\{"):
            depth += 1
        elif piece in (")", "]", r"\}"):
            depth -= 1
        elif depth == 0:
            piece = THOUSANDS.sub(lambda match: re.sub("[ ,]", "", match.group()), piece)
        pieces.append(piece)
    return "".join(pieces)


def strip_group(text: str) -> str:
    """Return ``text`` without braces that enclose the whole of it: ``{5}`` is ``5``."""
    text = text.strip()
    for _ in range(_MAX_GROUPS):
        if not text.startswith("{") or closing_brace(text, 0) != len(text) - 1:
            break
        text = text[1:-1].strip()
    return text


def closing_brace(text: str, opening: int) -> int | None:
    r"""Return where the brace opened at ``opening`` closes (``\{`` and ``\}`` do not count)."""
    depth = 0
    for match in re.compile(r"\\.|[{}]").finditer(text, opening):
        if match.group() == "{":
            depth += 1
        elif match.group() == "}":
            depth -= 1
            if depth == 0:
                return match.start()
    return None


def _halve_backslashes(text: str) -> str:
    r"""Read escaped text, in which no backslash stands alone: ``\\\\pi`` is ``\\pi``."""
    if _DOUBLED_COMMAND.search(text) and not _SINGLE_BACKSLASH.search(text.replace("\\\\", "")):
        return text.replace("\\\\", "\\")
    return text


def _strip_decoration(text: str) -> str:
    """Strip emphasis, tags, end tokens, final punctuation and outer braces, however nested."""
    for _ in range(8):
        before = text
        text = _TAIL.sub("", _TAGGED.sub(r"\g<content>", text.strip().strip('`"')))
        text = strip_group(text.rstrip(".,;:\\ "))
        text = _WRAPPED_FORMULA.sub(r"\1", text)
        text = text.removeprefix("**").removesuffix("**").removeprefix(r"\\")
        if text == before:
            break
    return text
