"""Types of parameters in words, from the JSON schema of their fields."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
}
_BOUNDS = (
    ("minimum", "from {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "up to {}"),
    ("exclusiveMaximum", "below {}"),
)


def in_words(schema: Schema) -> str:
    """Return a type as a reader wants it: ``whole number from 1, or null``."""
    alternatives = list(dict.fromkeys(_alternatives(schema)))
    return ", or ".join(alternatives) if alternatives else "anything"


def _alternatives(schema: Schema) -> Iterator[str]:
    for key in ("anyOf", "oneOf"):
        if key in schema:
            for each in schema[key]:
                yield from _alternatives(each)
            return
    if "$ref" in schema:
        yield "section"
    elif "const" in schema:
        yield f"`{_value(schema['const'])}`"
    elif "enum" in schema:
        yield " or ".join(f"`{_value(value)}`" for value in schema["enum"])
    elif schema.get("type") == "array":
        yield _list(schema)
    elif schema.get("type") == "object":
        yield "mapping"
    elif schema.get("type") == "null":
        yield "null"
    elif schema.get("type") in _WORDS:
        yield _bounded(schema)


def _bounded(schema: Schema) -> str:
    bounds = [words.format(f"{schema[key]:g}") for key, words in _BOUNDS if key in schema]
    word = "date" if schema.get("format") == "date" else _WORDS[schema["type"]]
    return " ".join([word, *bounds])


def _list(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])}: {in_words(schema['prefixItems'][0])} each"
    items = in_words(schema["items"]) if "items" in schema else "anything"
    return f"list of: {items}"


def as_yaml(value: Any) -> str:
    """Return a default as it would be written in a YAML file."""
    return _value(value)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value or "''"
    if isinstance(value, float) and value == int(value) and abs(value) < 1e6:
        return f"{value:.1f}"
    return json.dumps(value, default=str)
