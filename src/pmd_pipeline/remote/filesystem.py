"""From an address and credentials to a file system, and its errors in our words."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import fsspec

from pmd_pipeline.remote.errors import RemoteError, RemoteOutageError

_EXTRAS = {"s3": "remote", "s3a": "remote"}
# botocore waits a minute, five times over, for a server that hangs.
_S3_CONNECTION = {"connect_timeout": 10, "read_timeout": 30, "retries": {"max_attempts": 2}}
_LOCAL_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def open_filesystem(
    address: str, credentials: Mapping[str, Any] | None, *, whose: str
) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path there; nothing is contacted yet.

    Args:
        address: Such as ``s3://bucket/folder``.
        credentials: As Kedro's datasets take them; None: what the machine has.
        whose: Where the address and its credentials are named, for messages.

    Raises:
        RemoteError: If the scheme is unknown, a package is missing, or the credentials have keys
            that it does not take.
    """
    scheme = address.partition("://")[0].lower()
    options: dict[str, Any] = dict(credentials or {})
    if scheme in _EXTRAS:
        options.setdefault("config_kwargs", _S3_CONNECTION)
    if scheme in ("file", "local"):
        options.setdefault("auto_mkdir", True)
    try:
        filesystem = fsspec.filesystem(scheme, **options)
    except ImportError as error:
        raise RemoteError(
            f"{address} ({whose}) needs a package that is not installed ({error}); "
            f"{_installation(scheme)}"
        ) from error
    except (ValueError, TypeError) as error:
        known = f"the keys {sorted(options)}" if credentials else "no credentials"
        raise RemoteError(f"{address} ({whose}) cannot be opened with {known}: {error}") from error
    return filesystem, str(filesystem._strip_protocol(address)).rstrip("/")


def _installation(scheme: str) -> str:
    if scheme in _EXTRAS:
        return f"install it: pip install 'pmd_pipeline[{_EXTRAS[scheme]}]'"
    return "fsspec's documentation names it"


@contextmanager
def translated(address: str, *, whose: str) -> Iterator[None]:
    """Turn a file system's errors within the block into `RemoteError` and `RemoteOutageError`."""
    try:
        yield
    except (RemoteError, RemoteOutageError):
        raise
    except FileNotFoundError as error:
        raise RemoteError(
            f"{address}: there is no such place ({error}); make it, or correct {whose}"
        ) from error
    except PermissionError as error:
        raise RemoteError(
            f"{address} may not be used with these credentials ({error}); see {whose}"
        ) from error
    except Exception as error:
        if "credentials" in type(error).__name__.lower():
            raise RemoteError(
                f"{address} needs credentials ({error}); add an entry to "
                "conf/local/credentials.yml, such as my_s3: {key: ..., secret: ...}, and name it "
                f"({whose}); or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ) from error
        if isinstance(error, OSError) and error.errno in _LOCAL_TROUBLE:
            where = error.filename or "this machine's disk"
            raise OSError(error.errno, error.strerror, where) from error
        words = str(error).strip().splitlines()
        reason = words[0] if words else type(error).__name__
        raise RemoteOutageError(f"{address} does not answer ({reason})") from error
