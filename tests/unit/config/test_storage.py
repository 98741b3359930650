"""The section storage: an address that says where, and nothing that is secret."""

import pytest
from pydantic import ValidationError

from pmd_pipeline.config.policy import PretrainedPolicyConfig
from pmd_pipeline.config.storage import StorageConfig


def test_an_address_is_taken_without_its_last_slash() -> None:
    config = StorageConfig.model_validate({"remote_root": "s3://bucket/mine/"})
    assert config.remote_root == "s3://bucket/mine"


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("bucket/mine", "must be an address"),
        ("s3://", "must be an address"),
        ("s3://key:secret@bucket/mine", "holds a password"),
    ],
)
def test_what_is_no_address_or_holds_a_secret_is_refused(root: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StorageConfig.model_validate({"remote_root": root})


def test_a_model_is_no_address() -> None:
    with pytest.raises(ValidationError, match="read from a local folder"):
        PretrainedPolicyConfig.model_validate({"kind": "pretrained", "path": "s3://bucket/model"})
