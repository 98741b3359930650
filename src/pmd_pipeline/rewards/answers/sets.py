r"""Sets of real numbers in one notation: ``x < 2 \text{ or } x > 3`` as a union of intervals."""

import re
from dataclasses import dataclass
from typing import Final

from pmd_pipeline.rewards.answers.notation import strip_group
from pmd_pipeline.rewards.answers.structure import parse_collection, split_outside

_REALS: Final = r"(-\infty,\infty)"
_NAME: Final = r"(?:[a-df-hj-zA-Z]|\\(?:alpha|beta|lambda|mu|theta|phi|omega))(?:_\{?\w\}?)?"
_IN: Final = r"\s*\\in(?![a-zA-Z])\s*"
_REAL_DOMAIN: Final = r"\(-\\infty\s*,\s*\\infty\s*\)"
_MEMBERSHIP: Final = re.compile(rf"(?P<name>{_NAME}){_IN}(?P<set>.+)", re.DOTALL)
_BUILDER: Final = re.compile(
    rf"\\\{{\s*(?P<name>{_NAME})(?:{_IN}{_REAL_DOMAIN})?\s*"
    r"(?:\\(?:mid|vert|colon)(?![a-zA-Z])|[|:])\s*(?P<condition>.+?)\s*\\\}",
    re.DOTALL,
)
_AMONG_REALS: Final = re.compile(
    rf"^{_NAME}{_IN}{_REAL_DOMAIN}\s*(?:,|and)\s*|\s*,\s*{_NAME}{_IN}{_REAL_DOMAIN}$"
)
_OR: Final = re.compile(r"\s*(?:\\(?:vee|lor)(?![a-zA-Z])|(?<![a-zA-Z\\])or(?![a-zA-Z]))\s*")
_AND: Final = re.compile(r"\s*(?:\\(?:wedge|land)(?![a-zA-Z])|(?<![a-zA-Z\\])and(?![a-zA-Z]))\s*")
_RELATION: Final = re.compile(r"\s*(<|>|=|\\(?:le|ge|lt|gt|ne)(?![a-zA-Z]))\s*")
_ORDER: Final = re.compile(r"[<>]|\\(?:le|ge|lt|gt|ne|in)(?![a-zA-Z])")
_COMMA: Final = re.compile(r"\s*[,;]\s*")
_OPERATION: Final = re.compile(
    r"\s*(\\(?:cup|cap|setminus)(?![a-zA-Z])|\\backslash(?![a-zA-Z]))\s*"
)
_WITHOUT: Final = re.compile(rf"^{_REAL_DOMAIN}\s*-\s*(?=\\\{{)")
_ALL_REALS: Final = re.compile(r"\\text\{\s*(?:all )?(?:the )?reals?(?: numbers)?\s*\}")
_FLIPPED: Final = {"<": ">", ">": "<", r"\le": r"\ge", r"\ge": r"\le"}
_SPELLED: Final = {r"\lt": "<", r"\gt": ">"}


@dataclass(frozen=True, slots=True)
class RealSet:
    r"""A set of real numbers.

    Attributes:
        text: Intervals and finite sets, with ``\cup``, ``\cap`` and ``\setminus`` between them.
        name: The unknown, empty where none is said or it is bound: ``\{t \mid t > 2\}``.
        stated: False for ``(1, 2)``, which may be a pair just as well.
    """

    text: str
    name: str = ""
    stated: bool = True


def parse_set(text: str) -> RealSet | None:
    r"""Read normalised ``text`` as a set of real numbers, or return None.

    Read are conditions on one unknown that stands alone (``x > 2``, ``1 < x \le 3``, ``x \ne 3``;
    "and", "or"), set builders, ``x \in``, intervals, and their unions and differences. A condition
    to be solved (``x^2 > 4``) is none: it repeats the problem.
    """
    text = strip_group(_AMONG_REALS.sub("", text.strip()))
    builder = _BUILDER.fullmatch(text)
    if builder is not None:
        condition = parse_set(builder["condition"])
        bound = condition is not None and condition.name == builder["name"]
        return RealSet(condition.text) if condition is not None and bound else None
    if _MEMBERSHIP.match(text) or _RELATION.search(text):
        return _member(text) or _condition(text)
    return _explicit(text)


def _member(text: str) -> RealSet | None:
    member = _MEMBERSHIP.fullmatch(text)
    values = _explicit(member["set"]) if member is not None else None
    return RealSet(values.text, member["name"]) if member is not None and values else None


def _condition(text: str) -> RealSet | None:
    """Read relations joined by "and" (which binds closer) and "or"."""
    if _ORDER.search(text) is None:
        return None  # x = 1 or x = 2 is a list of values
    names, alternatives = set[str](), list[str]()
    for alternative in split_outside(text, _OR):
        read = [_member(part) or _chain(part) for part in _conditions(alternative)]
        sets = [part for part in read if part is not None]
        if len(sets) < len(read):
            return None
        names.update(part.name for part in sets)
        alternatives.append(_intersection([part.text for part in sets]))
    return RealSet(r"\cup ".join(alternatives), names.pop()) if len(names) == 1 else None


def _conditions(text: str) -> list[str]:
    r"""Split at "and", and at commas in ``x \ge 0, x \ne 3``; elsewhere a comma may mean "or"."""
    parts = split_outside(text, _AND)
    listed = split_outside(text, _COMMA)
    if len(parts) == 1 and r"\ne" in text and all(map(_RELATION.search, listed)):
        return listed
    return parts


def _intersection(sets: list[str]) -> str:
    if len(sets) == 1:
        return sets[0]
    return r"\cap ".join(f"({part})" if r"\cup" in part else part for part in sets)


def _chain(text: str) -> RealSet | None:
    r"""Read ``x > 2``, ``2 < x`` and ``1 < x \le 3``."""
    pieces = [piece.strip() for piece in _RELATION.split(text)]
    values = pieces[::2]
    relations = [_SPELLED.get(relation, relation) for relation in pieces[1::2]]
    if not all(values) or len(values) > 3:
        return None
    places = [i for i, value in enumerate(values) if re.fullmatch(_NAME, value)]
    if len(places) != 1:
        return None
    [place] = places
    name = values[place]
    if any(name in value for i, value in enumerate(values) if i != place):
        return None
    if len(values) == 2:
        relation = relations[0] if place == 0 else _FLIPPED.get(relations[0], relations[0])
        bounds = split_outside(values[1 - place], _COMMA)
        if len(bounds) > 1 and relation != r"\ne":
            return None
        return RealSet(_intersection([_interval(relation, bound) for bound in bounds]), name)
    low, high = ("<", r"\le"), (">", r"\ge")
    if place != 1 or any(len(split_outside(value, _COMMA)) > 1 for value in values):
        return None
    if not (set(relations) <= set(low) or set(relations) <= set(high)):
        return None
    if relations[0] in high:
        values, relations = values[::-1], [_FLIPPED[relation] for relation in relations[::-1]]
    opening = "(" if relations[0] == "<" else "["
    closing = ")" if relations[1] == "<" else "]"
    return RealSet(f"{opening}{values[0]},{values[2]}{closing}", name)


def _interval(relation: str, value: str) -> str:
    """Write what fulfils ``x relation value``."""
    return {
        "<": rf"(-\infty,{value})",
        r"\le": rf"(-\infty,{value}]",
        ">": rf"({value},\infty)",
        r"\ge": rf"[{value},\infty)",
        "=": rf"\{{{value}\}}",
        r"\ne": rf"(-\infty,{value})\cup ({value},\infty)",
    }[relation]


def _explicit(text: str) -> RealSet | None:
    """Read intervals and finite sets with operations between them; "or" between them joins."""
    text = strip_group(_WITHOUT.sub(r"(-\\infty,\\infty)\\setminus ", text.strip()))
    if _ALL_REALS.fullmatch(text):
        return RealSet(_REALS)
    text = r"\cup ".join(split_outside(text, _OR)).replace(r"\backslash", r"\setminus ")
    pieces = split_outside(text, _OPERATION)
    if not all(map(_is_simple_set, pieces)):
        return None
    punctured = re.fullmatch(rf"{_REAL_DOMAIN}\s*\\setminus\s*\\\{{([^,;]+)\\\}}", text)
    if punctured is not None:
        return RealSet(_interval(r"\ne", punctured[1].strip()))
    return RealSet(text, stated=len(pieces) > 1)


def _is_simple_set(text: str) -> bool:
    if text == r"\emptyset" or re.fullmatch(r"\\\{[^{}]*\\\}", text):
        return True
    collection = parse_collection(text)
    return collection.ordered and len(collection.elements) == 2
