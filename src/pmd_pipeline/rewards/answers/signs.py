r"""The values that ``\pm`` stands for: ``\frac{-1\pm\sqrt5}{2}`` is two numbers."""

import re
from itertools import product
from typing import Final

from pmd_pipeline.rewards.answers.structure import Collection

_SIGN: Final = re.compile(r"\\(pm|mp)(?![a-zA-Z])\s*")
_MAX_SIGNS: Final = 3  # eight values


def expand_signs(collection: Collection) -> Collection:
    r"""Return a list of the values where an element has a ``\pm`` or ``\mp``.

    Several ``\pm`` in one element are independent of each other; with a ``\mp`` among them, upper
    signs go with upper signs. A tuple with such a sign becomes a list of tuples.
    """
    if _SIGN.search(collection.text()) is None:
        return collection
    if collection.ordered:
        return Collection("", tuple(_values(collection.text())), "")
    elements = [value for element in collection.elements for value in _values(element)]
    return Collection(collection.opening, tuple(elements), collection.closing)


def _values(text: str) -> list[str]:
    signs = _SIGN.findall(text)
    if not 0 < len(signs) <= _MAX_SIGNS:
        return [text]
    if "mp" in signs:
        choices = [tuple(sign == "pm" for sign in signs), tuple(sign == "mp" for sign in signs)]
    else:
        choices = list(product((True, False), repeat=len(signs)))
    return [_signed(text, choice) for choice in choices]


def _signed(text: str, plus: tuple[bool, ...]) -> str:
    remaining = iter(plus)
    return _SIGN.sub(lambda _: "+" if next(remaining) else "-", text).removeprefix("+")
