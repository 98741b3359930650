"""What else the data says of a problem, as JSON text: the column ``metadata`` of every table.

Text, and not nested columns, so that each row can hold what it likes, and parquet and CSV files
give back what was put in.
"""

import json
import math
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

import numpy as np

NO_METADATA = "{}"


def metadata_to_text(metadata: Mapping[str, Any]) -> str:
    """Return the metadata as JSON: keys sorted, no blanks between, Unicode as it is.

    Numbers that JSON lacks (not-a-number, infinities) become null; a Decimal becomes a number, or
    a text where a float cannot hold it exactly; dates and times become ISO 8601 texts; tuples,
    sets and numpy arrays become lists; keys become texts.

    Raises:
        TypeError: If a value has no JSON form.
    """
    if not metadata:
        return NO_METADATA
    try:
        return _dump(metadata)  # most metadata is of JSON values, and public sets have many rows
    except (TypeError, ValueError):
        return _dump(json_value(metadata))


def text_to_metadata(text: str) -> dict[str, Any]:
    """Return what ``metadata_to_text`` was given, in JSON values."""
    metadata: dict[str, Any] = json.loads(text)
    return metadata


def json_value(value: Any) -> Any:
    """Return a value in JSON's types, see ``metadata_to_text``."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): json_value(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(entry) for entry in value]
    if isinstance(value, set | frozenset):
        return [json_value(entry) for entry in sorted(value, key=repr)]
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, np.ndarray):
        return json_value(value.tolist())
    if isinstance(value, np.generic):
        return json_value(value.item())
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form: {repr(value)[:60]}")


def num_characters(value: Any) -> int:
    """Return about how many characters a JSON value takes."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(key) + num_characters(entry) for key, entry in value.items())
    if isinstance(value, list):
        return sum(map(num_characters, value))
    return 8


def _number(value: Decimal) -> int | float | str | None:
    if not value.is_finite():
        return None
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(str(float(value))) == value else str(value)


def _dump(metadata: Mapping[str, Any]) -> str:
    return json.dumps(
        metadata, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
