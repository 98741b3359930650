"""What can go wrong with a tracking store, and how it is told in a few words."""

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

# What a store answers when it has understood a record and does not want it.
_REFUSALS = {
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
}
# HTTP: not signed in, not allowed, too slow, too many. Somebody can mend these.
_MENDABLE = {401, 403, 408, 429}


class TrackingError(OSError):
    """The tracking store cannot be used; the message says which and what to do."""


class RefusedError(Exception):
    """The store works and does not take a record, now or later."""


class OutageError(Exception):
    """The store does not work at the moment."""


def sorted_error(error: Exception) -> OutageError | RefusedError:
    """Return what an error of a request means for the record that was to be sent."""
    if isinstance(error, OutageError | RefusedError):
        return error
    reason = reason_of(error)
    if isinstance(error, MlflowException):
        is_refusal = error.error_code in _REFUSALS
    elif isinstance(error, requests.HTTPError) and error.response is not None:
        status = error.response.status_code
        is_refusal = 400 <= status < 500 and status not in _MENDABLE
    else:
        is_refusal = not isinstance(error, OSError | SQLAlchemyError)
    return RefusedError(reason) if is_refusal else OutageError(reason)


def reason_of(error: BaseException) -> str:
    """Return the innermost error's words on one line: ``Connection refused``."""
    inner = error
    while (cause := _cause(inner)) is not None:
        inner = cause
    words = str(getattr(inner, "strerror", None) or inner).strip()
    return words.splitlines()[0] if words else type(inner).__name__


def _cause(error: BaseException) -> BaseException | None:
    # urllib3 and requests keep the error that made them give up as an attribute.
    if isinstance(error, TimeoutError | requests.Timeout):
        return TimeoutError("no answer in time") if str(error) != "no answer in time" else None
    candidates = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
    for candidate in candidates:
        if isinstance(candidate, BaseException):
            return candidate
    return None
