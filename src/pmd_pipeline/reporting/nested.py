"""Nested values, such as parameters and reports in JSON, as tables."""

import json
from collections.abc import Mapping
from typing import Any

from pmd_pipeline.flat_parameters import flatten
from pmd_pipeline.reporting import formatting
from pmd_pipeline.reporting.html_tables import HtmlTable

NOTHING = "none"


def leaves_as_text(nested: Mapping[str, Any]) -> dict[str, str]:
    """Return the leaves as text by dotted path, in their order."""
    return {path: _leaf(leaf) for path, leaf in flatten(nested).items()}


def name_value_table(
    nested: Mapping[str, Any], *, caption: str, collapsed: bool = False
) -> HtmlTable:
    """Return a table of dotted paths and values."""
    return HtmlTable(
        caption=caption,
        header=("name", "value"),
        rows=tuple(leaves_as_text(nested).items()),
        num_text_columns=2,
        collapsed=collapsed,
    )


def nested_tables(nested: Mapping[str, Any], *, caption: str) -> list[HtmlTable]:
    """Return a table of the plain values, then one per mapping of mappings or list of mappings.

    A mapping of mappings, such as one per data source, has a column for each of them; a list has a
    row for each.
    """
    plain = {key: value for key, value in nested.items() if not _has_rows(value)}
    tables = [name_value_table(plain, caption=caption)] if plain else []
    for key, value in nested.items():
        if _has_rows(value):
            name = f"{caption}: {key}"
            tables.append(
                _side_by_side(value, name) if isinstance(value, Mapping) else _listed(value, name)
            )
    return tables


def _has_rows(value: object) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(item, Mapping) for item in value.values())
    return (
        isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)
    )


def _side_by_side(nested: Mapping[str, Mapping[str, Any]], caption: str) -> HtmlTable:
    # An empty mapping has no row of its own beside the filled ones.
    columns = [
        leaves_as_text({key: value for key, value in inner.items() if value != {}})
        for inner in nested.values()
    ]
    names = dict.fromkeys(name for column in columns for name in column)
    return HtmlTable(
        caption=caption,
        header=("name", *(str(key) for key in nested)),
        rows=tuple(
            (name, *(column.get(name, formatting.MISSING) for column in columns)) for name in names
        ),
        num_text_columns=1 + len(columns),
    )


def _listed(items: list[Mapping[str, Any]], caption: str) -> HtmlTable:
    rows = [leaves_as_text(item) for item in items]
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    return HtmlTable(
        caption=caption,
        header=names,
        rows=tuple(tuple(row.get(name, formatting.MISSING) for name in names) for row in rows),
        num_text_columns=len(names),
    )


def _leaf(value: object) -> str:
    if isinstance(value, Mapping):
        return NOTHING
    if isinstance(value, (list, tuple)):
        if all(isinstance(item, (str, int, float)) for item in value):
            return ", ".join(formatting.number(item) for item in value) or NOTHING
        return json.dumps(value, default=str, ensure_ascii=False)
    return formatting.number(value)
