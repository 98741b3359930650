"""A Ray cluster for tests, held by a process of its own.

The process that runs the tests never joins it: Ray's threads would not survive a fork, and whole
runs are made in forked children, which join by the cluster's address.

Run as ``python ray_clusters.py``, it starts the cluster and follows the lines of its standard
input: ``add {"num_cpus": 1}`` and ``kill NODE_ID``; the cluster ends with them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

OBJECT_STORE_BYTES = 80 * 1024**2  # Ray's least is 75
# GPUs are pretended: Ray hands them out, and nothing looks for them.
HEAD = {"num_cpus": 0, "num_gpus": 1}
NODE = {"num_cpus": 2, "num_gpus": 2}


class RayCluster:
    """A head and two raylets, all on this machine.

    Attributes:
        address: host:port, to join by.
        nodes: The node ids of the raylets that are alive, the head's excluded.
    """

    def __init__(self) -> None:
        # Short, since sockets lie in it; gone at the end, unlike Ray's own choice.
        self._folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "RAY_USAGE_STATS_ENABLED": "0",
                "RAY_worker_niceness": "0",  # the tests wait for what would have low priority
                "PYTHONPATH": _import_path(),
            },
        )
        started = self._answer()
        self.address: str = started["address"]
        self.nodes: list[str] = started["nodes"]

    def add(self, **resources: float) -> str:
        """Start another raylet and return its node id."""
        node: str = self._do("add", json.dumps({**NODE, **resources}))
        self.nodes.append(node)
        return node

    def kill(self, node: str) -> None:
        """End a raylet without a word, as if its machine had lost power."""
        self._do("kill", node)
        self.nodes.remove(node)

    def close(self) -> None:
        """End the cluster."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=60)
        finally:
            self._process.kill()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _do(self, *words: str) -> Any:
        assert self._process.stdin is not None
        print(*words, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("ANSWER "):
                return json.loads(line.removeprefix("ANSWER "))
        raise RuntimeError("the process that holds the cluster has ended")


def _import_path() -> str:
    """Return where the nodes' processes find this folder's modules too."""
    here = str(Path(__file__).parent)
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])


def hold(folder: str) -> None:
    """Start the cluster and do what the lines of the standard input say, to their end."""
    from ray.cluster_utils import Cluster

    common: dict[str, Any] = {"object_store_memory": OBJECT_STORE_BYTES}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={**common, **HEAD, "include_dashboard": False, "temp_dir": folder},
    )
    nodes = {}

    def answer(what: Any) -> None:
        print("ANSWER", json.dumps(what), flush=True)

    try:
        for _ in range(2):
            node = cluster.add_node(**common, **NODE, wait=False)
            nodes[node.node_id] = node
        cluster.wait_for_nodes()
        answer({"address": cluster.address, "nodes": list(nodes)})
        for line in sys.stdin:
            command, _, argument = line.strip().partition(" ")
            if command == "add":
                node = cluster.add_node(**common, **json.loads(argument))
                nodes[node.node_id] = node
                answer(node.node_id)
            else:
                cluster.remove_node(nodes.pop(argument), allow_graceful=False)
                answer(None)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    hold(sys.argv[1])
