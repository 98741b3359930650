"""One cluster for all tests of this folder, which one process runs: tests/conftest.py."""

from collections.abc import Iterator

import pytest
from ray_clusters import RayCluster


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[RayCluster]:
    """A head without CPUs and two raylets; leave as many behind as were there."""
    cluster = RayCluster()
    try:
        yield cluster
    finally:
        cluster.close()
