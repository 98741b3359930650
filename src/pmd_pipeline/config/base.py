"""What every configuration model shares."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A frozen configuration model: an unknown or misspelt key is an error, never ignored.

    Numbers must be finite: ``.nan`` and ``.inf`` in a YAML file are errors too.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )
