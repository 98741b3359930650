"""Objects in processes of their own on a real cluster, and files sent to them."""

import os
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from forks import run_forked
from ray_clusters import RayCluster

from pmd_pipeline.cluster import session
from pmd_pipeline.cluster.errors import HostCallError, HostLostError
from pmd_pipeline.config.cluster import ClusterConfig

pytestmark = pytest.mark.ray


def test_hosts_have_devices_files_and_ends_of_their_own(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    """One child for all of it: what each sees, what it is sent, how its calls end."""

    def action() -> None:
        session.name_cluster(ClusterConfig(address=ray_cluster.address), tmp_path / "ray.log")
        session.join()
        from pmd_pipeline.cluster.hosts import Host
        from pmd_pipeline.cluster.shipments import ship

        node = ray_cluster.nodes[0]

        def start(num_gpus: int) -> Host:
            return Host(
                "played_samplers:PlayedSampler",
                bundle={"CPU": 1.0} | ({"GPU": num_gpus} if num_gpus else {}),
                node_id=node,
                seconds=60,
                num_threads=1,
                name="a host",
            )

        two_gpus, none = start(2), start(0)
        where = two_gpus.where()
        assert (where.node_id, where.visible_gpus) == (node, "0,1")
        assert none.where().visible_gpus == ""

        folder = tmp_path / "sent"
        folder.mkdir()
        (folder / "large").write_bytes(b"abcd" * 5000)
        (folder / "empty").touch()
        left = tmp_path / "left by a sampler that was killed"
        left.mkdir()
        note = Path(tempfile.gettempdir()) / f"pmd_pipeline_{os.getuid()}_{os.getpid()}.where"
        note.write_text(str(left))
        os.utime(note, (0, 0))
        shipment = ship(folder)
        (folder / "large").write_bytes(b"changed since")
        there, sizes = two_gpus.call("sizes", files={"folder": shipment}).result()
        assert sizes == {"large": 20_000, "empty": 0}
        assert not left.exists()
        assert not note.exists()
        assert none.call("sizes", files={"folder": shipment}).result() == (there, sizes)
        two_gpus.discard(shipment).result()
        none.discard(shipment).result()
        assert not Path(there).exists()

        first = replace(shipment.chunks[0], sha256="another")
        damaged = replace(shipment, name="damaged", chunks=[first])
        with pytest.raises(HostCallError, match="ShipmentError: empty did not reach this node as"):
            two_gpus.call("sizes", files={"folder": damaged}).result()
        assert two_gpus.where().process_id == where.process_id  # it takes further calls

        with pytest.raises(HostLostError, match=r"^vLLM ended with signal 9$"):
            two_gpus.call("lose_what_it_stands_for").result()
        deadline = time.monotonic() + 30  # it ends itself, though nobody kills it
        while Path(f"/proc/{where.process_id}").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        with pytest.raises(HostLostError, match="process has died"):
            two_gpus.call("facts", node="").result(30)

        os.kill(none.where().process_id, signal.SIGKILL)
        with pytest.raises(HostLostError, match="process has died"):
            none.call("facts", node="").result(30)
        session.leave()

    assert run_forked(action) == 0
