"""Which address an environment's results have."""

from collections.abc import Mapping
from typing import Any

from pmd_pipeline.config.storage import StorageConfig
from pmd_pipeline.remote.errors import RemoteError
from pmd_pipeline.remote.folder import RemoteFolder, existing_folder


def results_folder(
    storage: StorageConfig, env: str, credentials: Mapping[str, Any]
) -> RemoteFolder | None:
    """Return the folder of an environment's results; None if they are kept here alone.

    Args:
        storage: The section of the parameters.
        env: The environment's name.
        credentials: All entries of the project.

    Raises:
        RemoteError: If the entry of the credentials is missing, or there can be no such folder.
    """
    if storage.remote_root is None:
        return None
    own: Mapping[str, Any] | None = None
    if storage.credentials is not None:
        own = credentials.get(storage.credentials)
        if not isinstance(own, Mapping):
            raise RemoteError(
                f"storage.credentials: there is no entry {storage.credentials!r} with keys in the "
                f"credentials; add it to conf/local/credentials.yml, as in {storage.credentials}: "
                "{key: ..., secret: ...}"
            )
    return existing_folder(f"{storage.remote_root}/{env}", own)
