r"""The sides of an equation: ``n = 5`` answers 5, ``2 + 3 = 5`` answers 5, ``3 = 5`` nothing."""

import re
from typing import Final

_MAX_NAME_CHARACTERS: Final = 80
# Not within !=, but in 5!=120, which can only be meant as a factorial.
_EQUALS: Final = re.compile(r"(?<![<>:=\\])(?<![^0-9]!)=(?!=)")
_DEPTH: Final = re.compile(rf"\\[{{}}]|[(){{}}\[\]]|{_EQUALS.pattern}")
# An operator that the problem defines, a sum that goes on: such a side says nothing by itself.
_UNREADABLE: Final = re.compile(
    r"\\(?:star|bigstar|ast|[oO](?:plus|times|dot|minus|slash)|[dD]iamond|[bB]ox|square|nabla|bullet"
    r"|triangle(?:left|right|down)?|bigtriangle(?:up|down)|bigcirc|boxplus|boxtimes|boxdot|dagger"
    r"|(?:club|spade|heart|diamond)suit|sharp|wr|circledast)(?![a-zA-Z])|[@#]|[-+*]\s*\\ldots(?![a-zA-Z])\s*[-+*]|^\s*\\ldots\s*$"
)
_APPROXIMATELY: Final = re.compile(r"\\approx(?![a-zA-Z])|~=")
_MEMBERSHIP: Final = re.compile(r"^\s*[a-zA-Z]\s*\\in(?![a-zA-Z])\s*")
_TEXT: Final = re.compile(r"\\text\{[^{}]*\}")
_SUBSCRIPT: Final = re.compile(r"(?<=[a-zA-Z'}])_(?:\{\w{1,20}\}|\w)")
_FUNCTION_ARGUMENT: Final = re.compile(r"(?<=[a-zA-Z'}])(?:\^\{-1\})?\s*\([^()]*\)$")
_TUPLE_OF_NAMES: Final = re.compile(r"\s*\([a-zA-Z](?:\s*,\s*[a-zA-Z]){1,9}\)\s*")
_LABEL: Final = re.compile(
    r"\s*(?:\\text\{\s*(?P<words>[a-zA-Z ]*?)(?::|\bis\b:?)\s*\}"
    r"|(?i:(?:the )?(?:final )?answer(?: is)?:?(?![a-zA-Z]))\s)"
)
_VALUE_COMMAND: Final = re.compile(r"\\(?:frac|sqrt|cdot|times|div|pi|binom|infty|pm)(?![a-zA-Z])")


def answer_values(answer: str) -> tuple[str, ...]:
    """Return the values that an answer to "what is it?" asserts: all must equal the reference.

    Names on a side (``x = 5``) are dropped. Of what remains, sides without variables all count
    (``3 = 5`` asserts two values); where each has variables (``x^2 - 1 = (x - 1)(x + 1)``) the
    last one does.
    """
    sides = [_first_precise(side.strip()) for side in split_sides(answer)]
    if not all(sides):
        return ()
    sides = [side for side in sides if not _UNREADABLE.search(side)] or sides[-1:]
    values = [side for side in sides if not is_name(side)] or sides[-1:]
    constant = [side for side in values if not _has_variables(side)]
    return tuple(constant) if constant else (values[-1],)


def split_sides(text: str) -> list[str]:
    r"""Split at equals signs outside all brackets: ``\sum_{k=1}^{3} k = 6`` has two sides.

    Text with unbalanced brackets is split at every equals sign.
    """
    sides, start, depth = list[str](), 0, 0
    for match in _DEPTH.finditer(text):
        token = match.group()
        if token != "=":
            depth += 1 if token in ("(", "[", "{", r"\{") else -1
        elif depth == 0:
            sides.append(text[start : match.start()])
            start = match.end()
    return [*sides, text[start:]] if depth == 0 else _EQUALS.split(text)


def drop_label(text: str) -> str:
    r"""Return ``text`` without a label such as ``\text{Total: }`` or ``The answer is``."""
    label = _LABEL.match(text)
    if label is None or re.search(r"\b(?:not|least|most|about)\b", label["words"] or ""):
        return text
    return text[label.end() :].strip()


def drop_name(text: str, other: str) -> str:
    r"""Return ``text`` without a leading ``x =`` or ``x \in`` that ``other`` lacks or shares."""
    sides, others = split_sides(text), split_sides(other)
    named = len(sides) == 2 and is_name(sides[0].strip())
    shared = len(others) == 2 and others[0].strip().casefold() == sides[0].strip().casefold()
    if named and (len(others) == 1 or shared):
        return sides[1].strip()
    return _MEMBERSHIP.sub("", text)


def is_name(side: str) -> bool:
    r"""Tell what is named (``x``, ``f(2)``, ``\angle ABC``, ``\text{Area}``) from a value."""
    if len(side) > _MAX_NAME_CHARACTERS or _VALUE_COMMAND.search(side):
        return False
    if _TUPLE_OF_NAMES.fullmatch(side):
        return True
    bare = _FUNCTION_ARGUMENT.sub("", _SUBSCRIPT.sub("", _TEXT.sub("T", side)).strip())
    return re.fullmatch(r"[a-zA-Z'|{}()\s\\]*[a-zA-Z][a-zA-Z'|{}()\s\\]*", bare) is not None


def _first_precise(side: str) -> str:
    """Drop an approximation: the value before it, unless that is only a name."""
    parts = [part.strip() for part in _APPROXIMATELY.split(side)]
    precise = [part for part in parts if part and not is_name(part)]
    return precise[0] if precise else parts[-1]


def _has_variables(side: str) -> bool:
    """Tell sides with letters; commands, text, e and i are constants."""
    return bool(re.search(r"[a-df-hj-zA-Z]", re.sub(r"\\[a-zA-Z]+", "", _TEXT.sub("", side))))
