"""Nested parameters by dotted key, and what differs between two states of them."""

import json
from collections.abc import Mapping
from typing import Any

_SHOWN_CHARACTERS = 200
_MISSING = object()


def flatten(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by dotted key, in their order.

    Lists are values, tuples become lists, and an empty mapping is a value too.
    """
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            for path, leaf in flatten(value).items():
                flat[f"{key}.{path}"] = leaf
        else:
            flat[str(key)] = list(value) if isinstance(value, tuple) else value
    return flat


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return what :func:`flatten` was given, where no key of it held a dot."""
    result: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        section = result
        for part in path:
            section = section.setdefault(part, {})
        section[last] = value
    return result


def changed_parameters(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Return one line per parameter that differs: key, recorded and present value."""
    return list(changes_by_key(recorded, current).values())


def changes_by_key(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, str]:
    """Return the lines of :func:`changed_parameters` by the parameter's key.

    Args:
        recorded: Flat, as read from JSON.
        current: Flat; compared as JSON would return it.
    """
    present = json.loads(json.dumps(dict(current)))
    return {
        key: f"{key}: {_shown(recorded, key)} -> {_shown(present, key)}"
        for key in sorted(recorded.keys() | present.keys())
        if recorded.get(key, _MISSING) != present.get(key, _MISSING)
    }


def _shown(values: Mapping[str, Any], key: str) -> str:
    if key not in values:
        return "(not set)"
    text = json.dumps(values[key])
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
