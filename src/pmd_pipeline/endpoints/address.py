"""Where a server is and with which key, from the credentials."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from pmd_pipeline.endpoints.errors import EndpointError

_KEYS = ("base_url", "api_key")
_HIDDEN = "[hidden]"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointAddress:
    """A server's address and key; the key does not show when this is printed.

    Attributes:
        base_url: What paths such as ``/models`` are added to.
        api_key: None where the server asks for none.
    """

    base_url: str
    api_key: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, credentials: object, *, entry: str) -> Self:
        """Return the address that an entry of the credentials holds.

        Raises:
            EndpointError: If the entry is missing or wrong; no value of it is in the message.
        """
        where = f"the entry {entry!r} of the credentials"
        example = f"conf/local/credentials.yml: {entry}: {{base_url: http://localhost:8000/v1}}"
        if credentials is None:
            raise EndpointError(f"{where} is missing; add it, as in {example}")
        if not isinstance(credentials, Mapping) or not credentials.get("base_url"):
            raise EndpointError(f"{where} has no base_url; add it, as in {example}")
        unknown = sorted(map(str, credentials.keys() - set(_KEYS)))
        if unknown:
            raise EndpointError(f"{where} has the unknown keys {unknown}; it takes {list(_KEYS)}")
        base_url = str(credentials["base_url"]).rstrip("/")
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise EndpointError(
                f"base_url of {where} is no address; it begins with http:// or https:// and mostly "
                f"ends in /v1, as in {example}"
            )
        if parts.username is not None or parts.query or parts.fragment:
            raise EndpointError(
                f"base_url of {where} holds more than an address: a user's name or something after "
                "? or #. Addresses are shown in reports, keys are not: give the key as api_key"
            )
        key = credentials.get("api_key")
        return cls(base_url=base_url, api_key=None if key in (None, "") else str(key))

    def without_key(self, text: str) -> str:
        """Return a text, such as a server's message, with the key taken out."""
        return text if self.api_key is None else text.replace(self.api_key, _HIDDEN)


def checked_text(value: Any, what: str) -> str:
    """Return a text of a server's answer.

    Raises:
        EndpointError: If it is none.
    """
    if not isinstance(value, str):
        raise EndpointError(f"the server's answer has no {what}; it does not speak OpenAI's API")
    return value
