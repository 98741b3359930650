"""Where a copy of the results is kept, so that a run can go on elsewhere."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from pmd_pipeline.addresses import is_address
from pmd_pipeline.config.base import StrictModel
from pmd_pipeline.config.effects import SAME_BYTES, ChangesNoResult


class StorageConfig(StrictModel):
    """Section ``storage`` of the parameters."""

    remote_root: Annotated[str | None, ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default=None,
        description="address below which the results are kept too, after each phase, in a folder "
        "of the environment's name, such as s3://my-bucket/my-project; a run with an empty data "
        "folder goes on from there; null: nowhere",
    )
    credentials: Annotated[str | None, ChangesNoResult(bytes=SAME_BYTES)] = Field(
        default=None,
        min_length=1,
        description="entry of conf/local/credentials.yml for remote_root, with the keys that "
        "Kedro's datasets take there (key, secret, client_kwargs, ...); null: what the machine "
        "itself has, such as AWS_ACCESS_KEY_ID or a role",
    )

    @field_validator("remote_root")
    @classmethod
    def _an_address(cls, root: str | None) -> str | None:
        if root is None:
            return None
        if not is_address(root) or not root.partition("://")[2].strip("/"):
            raise ValueError(
                "remote_root must be an address and a place there, such as "
                "s3://my-bucket/my-project or file:///mnt/shared/my-project"
            )
        if urlsplit(root).password is not None:
            raise ValueError(
                "remote_root holds a password, and parameters are stored and shown; put it into "
                "conf/local/credentials.yml and name its entry in storage.credentials"
            )
        return root.rstrip("/")
