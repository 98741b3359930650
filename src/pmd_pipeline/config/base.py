"""What every configuration model shares."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class StrictModel(BaseModel):
    """A frozen configuration model: an unknown or misspelt key is an error, never ignored.

    Numbers must be finite: ``.nan`` and ``.inf`` in a YAML file are errors too.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )


class VariantModel(StrictModel):
    """One of several kinds, chosen by ``kind``. A key set to null counts as not given.

    An environment's parameters are merged into those of ``conf/base``, key by key; this is how it
    drops a key of the base, for example ``hub_name``, when it gives a ``path`` instead.
    """

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, values: Any) -> Any:
        return without_nulls(values)


def without_nulls(values: Any) -> Any:
    """Return a mapping without its null entries; anything else as it is."""
    if not isinstance(values, dict):
        return values
    return {key: value for key, value in values.items() if value is not None}
