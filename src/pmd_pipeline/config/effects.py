"""What a parameter decides: marks for the fields of the configuration.

A parameter without a mark decides results, so a run is never continued with another value of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesNoResult:
    """Mark of a parameter that decides how results are computed, not which.

    Example::

        micro_batch_tokens: Annotated[int, ChangesNoResult(bytes=LAST_DIGITS)] = 16_384

    Attributes:
        bytes: What another value may do to the bytes of later results, as a sentence.
    """

    bytes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Extends:
    """Mark of a parameter that decides how far a run goes; what is done stays as it is.

    Attributes:
        effect: What another value does, as a sentence.
        needs: Another parameter, by its full key, and the only value of it with which this holds.
        otherwise: With another value there: why it does not hold, and the way that works.
    """

    effect: str
    needs: tuple[str, Any] | None = None
    otherwise: str = ""


Effect = ChangesNoResult | Extends

# What parameters of speed and memory do.
SAME_BYTES = "the bytes stay the same"
LAST_DIGITS = "sums may be rounded otherwise, so from here on the last digits may differ"


def effects(model: BaseModel, prefix: str = "") -> dict[str, Effect]:
    """Return the marks of a configuration's parameters by their full keys."""
    return dict(_walk(model, prefix))


def _walk(value: Any, key: str) -> Iterator[tuple[str, Effect]]:
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            inner = key if name == "root" else f"{key}.{name}".lstrip(".")
            for mark in field.metadata:
                if isinstance(mark, Effect):
                    yield inner, mark
            yield from _walk(getattr(value, name), inner)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _walk(item, f"{key}.{name}")
