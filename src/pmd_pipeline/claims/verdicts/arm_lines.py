"""Arms that differ in one parameter alone, as lines over its values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from pmd_pipeline.claims.verdicts import words
from pmd_pipeline.config.claim_tests import ArmLine
from pmd_pipeline.config.claims import ArmConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredLine:
    """Arms of one algorithm that differ in a parameter.

    Attributes:
        label: The algorithm, and what else the arms are told.
        values: Of the parameter, rising, [C].
        arms: The arm of each value.
    """

    label: str
    values: tuple[float, ...]
    arms: tuple[str, ...]


def line_name(arms: Sequence[str]) -> str:
    """Return the words that all of a line's arms begin with, or its ends if there are none."""
    by_place = zip(*(arm.split("_") for arm in arms), strict=False)
    shared = [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, by_place)]
    while shared and shared[-1].isdigit():
        shared.pop()
    return "_".join(shared) or f"{arms[0]} to {arms[-1]}"


def parameter_name(arms: Mapping[str, ArmConfig], line: ArmLine) -> str:
    """Return what differs along a line, in words: the parameter that has its values."""
    values = dict(zip(line.arms, line.values, strict=True))
    for key in dict.fromkeys(key for arm in line.arms for key in arms[arm].parameters):
        if all(arms[arm].parameters.get(key, value) == value for arm, value in values.items()):
            return key.rpartition(".")[2].replace("_", " ")
    return "what differs"


def declared_lines(arms: Mapping[str, ArmConfig], key: str) -> tuple[DeclaredLine, ...]:
    """Return the lines of all arms that declare a number for a parameter; others are left out.

    Args:
        arms: By name.
        key: The parameter, such as ``algorithm.tau``.
    """
    lines: dict[str, list[tuple[float, str]]] = {}
    for name, arm in arms.items():
        value = arm.parameters.get(key)
        if not isinstance(value, (int, float)):
            continue
        lines.setdefault(_label(arm, key), []).append((float(value), name))
    return tuple(_line(label, sorted(points)) for label, points in lines.items())


def _line(label: str, points: Sequence[tuple[float, str]]) -> DeclaredLine:
    values, arms = zip(*points, strict=True)
    return DeclaredLine(label=label, values=values, arms=arms)


def _label(arm: ArmConfig, key: str) -> str:
    others = words.settings({name: value for name, value in arm.parameters.items() if name != key})
    return f"{arm.algorithm}, {others}" if others else arm.algorithm
