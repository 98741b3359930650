"""Reasoning Gym's families: opening one, and keeping its problems' data as JSON.

A family scores an answer against the whole problem, tuples and all, so its data must come back
from a table just as it was: ``decode(encode(value)) == value``, types included.
"""

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import fields
from fractions import Fraction
from importlib import import_module
from typing import Any, Final

import numpy as np

COMPOSITE: Final = "composite"
_TAG: Final = "__type__"


class GymError(ValueError):
    """A family or an option does not exist, or a family fails; the message says what to do."""


def open_family(dataset: str, options: Mapping[str, Any], *, seed: int, size: int) -> Any:
    """Return a family of problems, which can be indexed and scores answers.

    Args:
        dataset: The family's name.
        options: Its own settings, by name.
        seed: Problem i is drawn with ``seed + i``.
        size: Problems that it holds; some families share them out by kind.

    Raises:
        GymError: If Reasoning Gym is not installed, or has no such family or option, or the
            family refuses an option's value.
    """
    families = _families()
    if dataset not in families:
        raise GymError(f"Reasoning Gym has no dataset {dataset!r}; {_closest(dataset, families)}")
    known = {field.name for field in fields(families[dataset][1])} - {"seed", "size"}
    for name in options:
        if name in ("seed", "size"):
            raise GymError(
                f"dataset {dataset!r}: the option {name!r} follows from the run's seed and "
                "num_problems; remove it"
            )
        if name not in known:
            raise GymError(f"dataset {dataset!r} has no option {name!r}; {_closest(name, known)}")
    try:
        values = _composite_options(options) if dataset == COMPOSITE else dict(options)
        return require_gym().create_dataset(dataset, seed=seed, size=size, **values)
    except GymError:
        raise
    except Exception as error:  # a family checks its options by assert and raises what it likes
        raise GymError(
            f"dataset {dataset!r} refuses the options {dict(options)} ({type(error).__name__}: "
            f"{error or 'no message'}); correct them"
        ) from error


def encode(value: Any) -> Any:
    """Return a family's value in JSON's types.

    Raises:
        GymError: If there is no form for it.
    """
    if value is None or isinstance(value, bool | int | str):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.generic):
        return encode(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else {_TAG: "float", "value": repr(value)}
    if isinstance(value, Fraction):
        return {_TAG: "Fraction", "value": str(value)}
    if isinstance(value, list):
        return [encode(entry) for entry in value]
    if isinstance(value, dict):
        if all(type(key) is str for key in value) and _TAG not in value:
            return {key: encode(entry) for key, entry in value.items()}
        items = [[encode(key), encode(entry)] for key, entry in value.items()]
        return {_TAG: "dict", "value": items}
    if isinstance(value, tuple):
        return {_TAG: "tuple", "value": [encode(entry) for entry in value]}
    if isinstance(value, set | frozenset):
        entries = [encode(entry) for entry in sorted(value, key=repr)]
        return {_TAG: type(value).__name__, "value": entries}
    raise GymError(
        f"the family's data holds a {type(value).__name__} ({repr(value)[:60]}), which cannot be "
        "kept in a table; choose another family"
    )


def decode(value: Any) -> Any:
    """Return what ``encode`` was given."""
    if isinstance(value, list):
        return [decode(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if _TAG not in value:
        return {key: decode(entry) for key, entry in value.items()}
    content = decode(value["value"])
    match value[_TAG]:
        case "float":
            return float(content)
        case "Fraction":
            return Fraction(content)
        case "dict":
            return {key: entry for key, entry in content}  # noqa: C416 (pairs are lists)
        case "tuple":
            return tuple(content)
        case "set":
            return set(content)
        case "frozenset":
            return frozenset(content)
    raise GymError(f"unknown type {value[_TAG]!r} in a problem's metadata; prepare the data again")


def require_gym() -> Any:
    """Return the package; raises GymError where it is not installed."""
    try:
        return import_module("reasoning_gym")
    except ModuleNotFoundError as error:
        raise GymError(
            "kind: reasoning_gym needs the package reasoning-gym, which is not installed: "
            "pip install 'pmd_pipeline[reasoning-gym]'"
        ) from error


def _families() -> dict[str, Any]:
    require_gym()
    families: dict[str, Any] = import_module("reasoning_gym.factory").DATASETS
    import_module("reasoning_gym.composite")  # it registers itself on import
    return families


def _composite_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a mixture, each member checked like a family of its own."""
    spec = import_module("reasoning_gym.composite").DatasetSpec
    members = []
    for member in options.get("datasets") or ():
        if not isinstance(member, Mapping) or not {"name"} <= member.keys() <= _MEMBER_KEYS:
            raise GymError(
                f"dataset {COMPOSITE!r}: each of the option datasets must be "
                f"{{name: ..., weight: ..., config: {{...}}}}, found {repr(member)[:80]}"
            )
        config = dict(member.get("config") or {})
        open_family(member["name"], config, seed=0, size=1)
        members.append(spec(name=member["name"], weight=member.get("weight", 1.0), config=config))
    return {**options, "datasets": members}


_MEMBER_KEYS: Final = frozenset({"name", "weight", "config"})


def _closest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"it has {', '.join(sorted(known))}"
