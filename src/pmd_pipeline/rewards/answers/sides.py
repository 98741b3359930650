r"""The sides of an equation: ``n = 5`` answers 5, ``2 + 3 = 5`` answers 5, ``3 = 5`` nothing."""

import re
from typing import Final

from pmd_pipeline.rewards.answers.denials import hedges
from pmd_pipeline.rewards.answers.names import (
    argument_of,
    asks,
    has_letters,
    is_name,
    same_name,
    without_bound,
)

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
_MEMBERSHIP: Final = re.compile(
    r"^\s*[a-zA-Z]\s*\\in(?![a-zA-Z])\s*(?=[(\[]|\\\{|\\emptyset|\\text)"
)
_LABEL: Final = re.compile(
    r"\s*(?:\\text\{\s*(?P<words>[a-zA-Z ]*?)(?::|\bis\b:?)\s*\}"
    r"|(?i:(?:the )?(?:final )?answer(?: is)?:?(?![a-zA-Z]))\s)"
)


def answer_values(answer: str) -> tuple[str, ...]:
    r"""Return the values that an answer to "what is it?" asserts: all must equal the reference.

    A name on a side (``x = 5``) is dropped, and so is what only asks (``\int_0^1 x\,dx = 1/2``).
    Of what remains, sides without letters all count (``3 = 5`` asserts two values), and after a
    name formulas beside them are the way there (``A = lw = 15``); where each side has letters, all
    count. Without a name, a formula that equals a number is an equation to be solved, as ``2x =
    10`` is, and asserts no value: the result is empty.
    """
    sides = [_first_precise(side.strip()) for side in split_sides(answer)]
    if not all(sides):
        return ()
    sides = [side for side in sides if not _UNREADABLE.search(side)] or sides[-1:]
    names = [side for side in sides if is_name(side) or _only_asks(side)]
    values = [side for side in sides if side not in names] or sides[-1:]
    formulas = [side for side in values if has_letters(side)]
    if not formulas or len(formulas) == len(values):
        return tuple(values)
    if not names or any(_is_unknown_of(name, formulas) for name in names):
        return ()
    return tuple(side for side in values if side not in formulas)


def is_of_numbers(equation: str) -> bool:
    r"""Tell an equation without letters, ``\log_2 8 = 3``: it states the value of its sides."""
    sides = split_sides(equation)
    return len(sides) > 1 and not any(has_letters(side) for side in sides)


def _only_asks(side: str) -> bool:
    return asks(side) and not has_letters(without_bound(side))


def _is_unknown_of(name: str, formulas: list[str]) -> bool:
    """Tell whether ``f(x)`` names a function of what stands in the formulas: f(x) = x + 3 = 5."""
    unknown = argument_of(name)
    return unknown is not None and any(
        re.search(rf"(?<![a-zA-Z\\]){unknown}(?![a-zA-Z])", formula) for formula in formulas
    )


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
    if label is None or hedges(label["words"] or ""):
        return text
    return text[label.end() :].strip()


def drop_name(text: str, other: str) -> str:
    r"""Return ``text`` without a leading ``x =`` or ``x \in`` that ``other`` lacks or shares."""
    sides, others = split_sides(text), split_sides(other)
    named = len(sides) == 2 and is_name(sides[0].strip())
    shared = len(others) == 2 and same_name(others[0], sides[0])
    if named and (len(others) == 1 or shared):
        return sides[1].strip()
    return _MEMBERSHIP.sub("", text)


def _first_precise(side: str) -> str:
    """Drop an approximation: the value before it, unless that is only a name."""
    parts = [part.strip() for part in _APPROXIMATELY.split(side)]
    precise = [part for part in parts if part and not is_name(part)]
    return precise[0] if precise else parts[-1]
