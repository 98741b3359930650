"""Parameters as a report shows them."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def plain_value(value: Any) -> Any:
    """Return parameters as plain values: Kedro has made models of those that a node names."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {name: plain_value(part) for name, part in value.items()}
    return value
