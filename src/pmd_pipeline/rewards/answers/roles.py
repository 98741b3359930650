"""Values that have names: ``y = 2, x = 1`` is the pair (1, 2), and not (2, 1)."""

import re
from dataclasses import dataclass
from typing import Final

from pmd_pipeline.rewards.answers.names import is_name
from pmd_pipeline.rewards.answers.notation import compact
from pmd_pipeline.rewards.answers.sides import split_sides
from pmd_pipeline.rewards.answers.structure import Collection, parse_collection

# Letters of one of these stand in this order in a tuple; others (m and b, h and k) as they come.
_FAMILIES: Final = ("xyz", "abcdef", "pqrst", "uv", "mn")
_LETTER: Final = re.compile(r"([a-zA-Z])(?:_\{?([0-9]+)\}?)?")


@dataclass(frozen=True, slots=True)
class Roles:
    """Distinct names, at least two, and the value of each, as written."""

    names: tuple[str, ...]
    values: tuple[str, ...]

    def in_order(self, names: tuple[str, ...]) -> Collection:
        """Return the values as a tuple in the order of ``names``."""
        value_of = dict(zip(self.names, self.values, strict=True))
        return Collection("(", tuple(value_of[name] for name in names), ")")

    def usual_order(self) -> tuple[str, ...]:
        """Return the names as they stand in a tuple: x before y, otherwise as written."""
        keys = [_key(name) for name in self.names]
        letters = "".join(key[0] for key in keys)
        if any(set(letters) <= set(family) for family in _FAMILIES):
            return tuple(name for _, name in sorted(zip(keys, self.names, strict=True)))
        return self.names

    def of_one_letter(self) -> bool:
        """Tell ``x_1 = 1, x_2 = 2``, which lists the values of one unknown."""
        return len({_key(name)[0] for name in self.names}) == 1


def parse_roles(text: str) -> Roles | None:
    """Read ``x = 1, y = 2`` or ``(x, y) = (1, 2)``; None where not each value has its name."""
    sides = [side.strip() for side in split_sides(text)]
    if len(sides) == 2 and sides[0].startswith("("):
        names, values = parse_collection(sides[0]), parse_collection(sides[1])
        if not names.ordered or values.opening != "(":
            return None
        return _roles(names.elements, values.elements)
    pairs = [[side.strip() for side in split_sides(e)] for e in parse_collection(text).elements]
    if any(len(pair) < 2 for pair in pairs):
        return None
    return _roles(tuple(p[0] for p in pairs), tuple("=".join(p[1:]) for p in pairs))


def matched(answer: str, gold: str) -> tuple[Collection, Collection] | None:
    """Return both as tuples of the same roles, or None where the answer's roles are others.

    Where one of the two has no names, its values are those of the other's names in their order.
    Neither text may be without names.
    """
    found, expected = parse_roles(answer), parse_roles(gold)
    if found is not None and expected is not None:
        if set(found.names) != set(expected.names):
            return None
        return found.in_order(expected.names), expected.in_order(expected.names)
    unnamed = parse_collection(answer if found is None else gold)
    if any(len(split_sides(element)) > 1 for element in unnamed.elements):
        return None  # x = 1 or x = 2 are two values of one name
    if expected is not None:
        values = parse_collection(answer)
        names = expected.usual_order() if values.ordered else expected.names
        return _as_tuple(values), expected.in_order(names)
    assert found is not None
    values = parse_collection(gold)
    if found.of_one_letter() and not values.ordered:
        return Collection("", found.values, ""), values
    return found.in_order(found.usual_order()), _as_tuple(values)


def drop_shared_name(gold: Collection, answer: Collection) -> Collection:
    """Return ``x = 1, x = -2`` as ``1, -2``, unless the answer says so of another name."""
    names = _names(gold)
    if (
        len(gold.elements) > 1
        and len(names) == 1
        and None not in names
        and _names(answer) <= {None, *names}
    ):
        values = tuple(split_sides(element)[1].strip() for element in gold.elements)
        return Collection(gold.opening, values, gold.closing)
    return gold


def _names(values: Collection) -> set[str | None]:
    """Return the names before the values, and None for a value without one."""
    sides = [split_sides(element) for element in values.elements]
    return {compact(s[0].strip()) if len(s) == 2 and is_name(s[0].strip()) else None for s in sides}


def _roles(names: tuple[str, ...], values: tuple[str, ...]) -> Roles | None:
    names = tuple(compact(name) for name in names)
    distinct = len(set(names)) == len(names) == len(values) > 1
    return Roles(names, values) if distinct and all(map(is_name, names)) else None


def _key(name: str) -> tuple[str, int]:
    letter = _LETTER.fullmatch(name)
    return (letter[1].lower(), int(letter[2] or 0)) if letter else (name, 0)


def _as_tuple(values: Collection) -> Collection:
    """Read a list as a tuple; brackets and braces stay what they are."""
    return values if values.opening else Collection("(", values.elements, ")")
