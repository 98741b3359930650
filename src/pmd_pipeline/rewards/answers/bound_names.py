r"""Letters that a formula binds: t of ``f(t) = t^2``, n of ``n\pi, n \in \mathbb{Z}``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_TEXT: Final = re.compile(r"\\text\{([^{}]*)\}")
_LETTER: Final = re.compile(r"\\[a-zA-Z]+|[a-zA-Z]")
_DEFINITION: Final = re.compile(
    r"\s*(?P<name>[a-zA-Z](?:_\{?\w\}?)?)\s*"
    r"(?:\((?P<arguments>[a-zA-Z](?:\s*,\s*[a-zA-Z])*)\)|_\{?(?P<index>[a-zA-Z])\}?)\s*=(?P<formula>[^=]+)"
)
_INTEGERS: Final = r"(?:\\mathbb\s*)?\{?\s*Z\s*\}?|\\Z"
_BRACES: Final = re.compile(r"^\\\{(.*)\\\}$", re.DOTALL)
_TAIL_CHARACTERS: Final = 100
_WHOLE: Final = re.compile(
    r"(?:[\s,;(\[|:]|\\mid(?![a-zA-Z]))+(?:(?:where|for|with|and|if)\s+)?(?:(?:all|any|every|some|each|an)\s+)?"
    rf"(?:(?P<name>[a-zA-Z])\s*(?:\\in\s*(?:{_INTEGERS}|integers?)|is (?:an|any) integer|integer)"
    rf"|integers?\s+(?P<other>[a-zA-Z]))[\s)\].]*$"
)


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or sequence as it is defined: ``f(x, y) = x + y``, ``a_n = 2n``."""

    name: str
    arguments: tuple[str, ...]
    formula: str

    def formula_in(self, arguments: tuple[str, ...]) -> str | None:
        """Return the formula with other letters for the arguments; None if one has a meaning."""
        renaming = dict(zip(self.arguments, arguments, strict=True))
        taken = letters_of(self.formula) - set(self.arguments)
        return None if taken & set(arguments) else rename(self.formula, renaming)


@dataclass(frozen=True, slots=True)
class Family:
    r"""Values for all integers: ``\frac{\pi}{4} + n\pi`` with the parameter n."""

    formula: str
    parameter: str


def parse_definition(text: str) -> Definition | None:
    """Read normalised ``text`` as the definition of a function of letters, or return None."""
    match = _DEFINITION.fullmatch(text)
    if match is None:
        return None
    arguments = tuple(re.findall(r"[a-zA-Z]", match["arguments"] or match["index"]))
    if len(set(arguments)) < len(arguments) or not letters_of(match["formula"]) & set(arguments):
        return None  # f(a) = 5 is the value at a point
    return Definition(match["name"], arguments, match["formula"].strip())


def parse_family(text: str) -> Family | None:
    r"""Read ``formula, n \in \mathbb{Z}`` in its spellings, in which n must occur; or None."""
    plain = _BRACES.sub(r"\1", _TEXT.sub(r" \1 ", text))
    start = max(0, len(plain) - _TAIL_CHARACTERS)
    match = _WHOLE.search(plain[start:])
    if match is None:
        return None
    parameter = match["name"] or match["other"]
    formula = plain[: start + match.start()].strip(" ,;")
    return Family(formula, parameter) if parameter in letters_of(formula) else None


def letters_of(formula: str) -> set[str]:
    """Return the letters and commands of a formula, words left out."""
    return set(_LETTER.findall(_TEXT.sub("", formula)))


def rename(formula: str, letters: Mapping[str, str]) -> str:
    """Write other letters for some, all at once; commands and words are left alone."""
    return _LETTER.sub(lambda letter: letters.get(letter.group(), letter.group()), formula)
