"""Which bundles an empty cluster has room for."""

import pytest

pytest.importorskip("ray")

from pmd_pipeline.cluster.placement import missing_for

SMALL, LARGE = {"CPU": 2.0}, {"CPU": 8.0, "GPU": 2.0}
NODES = {"small": SMALL, "large": LARGE}


@pytest.mark.parametrize(
    ("bundles", "pinned", "missing"),
    [
        ([{"CPU": 2}] * 5, [], []),
        ([{"CPU": 2}] * 6, [], [5]),
        # A process does not fit into what several nodes have together.
        ([{"CPU": 9}], [], [0]),
        # The large one is placed first, whatever the order they are given in.
        ([{"CPU": 2}, {"CPU": 8}], [], []),
        # Those without a GPU leave the node with GPUs to those that need them.
        ([{"CPU": 2}, {"CPU": 4, "GPU": 1}, {"CPU": 4, "GPU": 1}], [], []),
        ([{"CPU": 1, "GPU": 1}] * 3, [], [2]),
        ([{"CPU": 1}, {"TPU": 1}], [], [1]),
        ([{"GPU": 1}, {"GPU": 1}], ["small", None], [0]),
        ([{"CPU": 2}], ["a node that has gone"], [0]),
    ],
)  # fmt: skip
def test_bundles_without_room(bundles: list, pinned: list, missing: list) -> None:
    assert missing_for(bundles, NODES, pinned) == missing
