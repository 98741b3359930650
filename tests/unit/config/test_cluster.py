"""The address of a cluster."""

import pytest
from pydantic import ValidationError

from pmd_pipeline.config.cluster import ClusterConfig


@pytest.mark.parametrize("address", ["auto", "local", "head:6379", "[::1]:6379"])
def test_addresses(address: str) -> None:
    assert ClusterConfig(address=address).address == address


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"address": "ray://head:10001"}, "client mode.*on the head node.*address: auto"),
        ({"address": "head"}, "use auto, local, or the head node's host:port"),
        ({"object_store_gib": 1.0}, "address: local alone.*ray start --object-store-memory"),
    ],
)
def test_what_cannot_be_joined_is_refused(values: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ClusterConfig.model_validate(values)
