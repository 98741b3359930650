"""Places on a real cluster; what fits is tested without one in tests/unit/cluster."""

from pathlib import Path

import pytest
from forks import run_forked
from ray_clusters import RayCluster

from pmd_pipeline.cluster import session
from pmd_pipeline.cluster.errors import InfeasibleError
from pmd_pipeline.config.cluster import ClusterConfig

pytestmark = pytest.mark.ray


def test_places_are_given_or_refused_with_what_is_missing(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    """One child for all of it: what the cluster never has, what others hold, what is free."""

    def action() -> None:
        session.name_cluster(ClusterConfig(address=ray_cluster.address), tmp_path / "ray.log")
        me = session.join()
        import ray

        from pmd_pipeline.cluster.placement import give_back, place

        with pytest.raises(
            InfeasibleError,
            match=r"^5 samplers: the Ray cluster is too small: wanted 5 x \(1 GPU, 1 CPU\); it "
            r"has no room for 1 x \(1 GPU, 1 CPU\), even when nothing else runs. Its nodes have "
            r"[\d.]+: [12] GPU, [02] CPU; .*: .*: .*. Add nodes",
        ):
            place([{"CPU": 1, "GPU": 1}] * 5, strategy="spread", seconds=60, what="5 samplers")

        nodes = [me.node_id, *ray_cluster.nodes]
        group = place(
            [{"GPU": 1}, {"CPU": 1}, {"CPU": 2}],
            strategy="pack",
            seconds=60,
            what="three",
            node_ids=nodes,
        )
        placed = ray.util.placement_group_table(group)["bundles_to_node_id"]
        assert placed == dict(enumerate(nodes))
        with pytest.raises(
            InfeasibleError,
            match=r"^two: no place on the Ray cluster within 0.1 s: wanted 4 CPU, free is 1 CPU "
            "of 4 CPU; wait",
        ):
            place([{"CPU": 2}] * 2, strategy="spread", seconds=0.1, what="two")
        give_back(group)
        give_back(place([{"CPU": 2}] * 2, strategy="spread", seconds=60, what="two"))

    assert run_forked(action) == 0
