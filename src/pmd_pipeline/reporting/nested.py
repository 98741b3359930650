"""Nested values, such as parameters and reports in JSON, as tables."""

import json
from collections.abc import Mapping
from typing import Any

from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.html_tables import HtmlTable


def flatten(nested: Mapping[str, Any]) -> dict[str, str]:
    """Return the leaves by dotted path, lists and texts as they are, in their order."""
    leaves: dict[str, str] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            for path, leaf in flatten(value).items():
                leaves[f"{key}.{path}"] = leaf
        else:
            leaves[str(key)] = _leaf(value)
    return leaves


def nested_tables(nested: Mapping[str, Any], *, caption: str) -> list[HtmlTable]:
    """Return a table of the plain values, then one per nested mapping or list of mappings.

    A mapping of mappings becomes a table with a row for each, such as one per data source.
    """
    plain = {key: value for key, value in nested.items() if not _has_rows(value)}
    tables = []
    if plain:
        tables.append(two_columns(flatten(plain), caption=caption))
    for key, value in nested.items():
        if _has_rows(value):
            name = f"{caption}: {_in_words(key)}"
            tables.append(_table_of_rows(value, caption=name))
    return tables


def two_columns(leaves: Mapping[str, str], *, caption: str, collapsed: bool = False) -> HtmlTable:
    """Return a table of names and values."""
    return HtmlTable(
        caption=caption,
        header=("name", "value"),
        rows=tuple((_in_words(key), value) for key, value in leaves.items()),
        collapsed=collapsed,
    )


def _has_rows(value: object) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(item, Mapping) for item in value.values())
    return isinstance(value, list) and any(isinstance(item, Mapping) for item in value)


def _table_of_rows(value: Mapping[str, Any] | list[Any], *, caption: str) -> HtmlTable:
    if isinstance(value, Mapping):
        rows = [{"name": str(name), **flatten(item)} for name, item in value.items()]
    else:
        rows = [
            flatten(item) if isinstance(item, Mapping) else {"value": _leaf(item)} for item in value
        ]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return HtmlTable(
        caption=caption,
        header=tuple(_in_words(column) if column != "name" else "" for column in columns),
        rows=tuple(tuple(row.get(column, "") for column in columns) for row in rows),
    )


def _leaf(value: object) -> str:
    if isinstance(value, Mapping):
        return "none"
    if isinstance(value, (list, tuple)):
        if all(isinstance(item, (str, int, float)) for item in value):
            return ", ".join(formatting.number(item) for item in value) or "none"
        return json.dumps(value, default=str, ensure_ascii=False)
    return formatting.number(value)


def _in_words(key: str) -> str:
    return str(key)
