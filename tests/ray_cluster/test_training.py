"""Training processes on two raylets: the bytes of torchrun's, also after one was killed."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from forks import redirect
from projects import SHAPED, Project, make_project
from ray_clusters import RayCluster

pytestmark = pytest.mark.ray

ON_RAY = """
compute: {{launch: ray}}
cluster:
  address: {address}
  training:
    num_processes: 3
    placement: spread
    resources_per_process: {{CPU: 1, GPU: 1}}
"""


def shaped(path: Path, more: str = "") -> Project:
    project = make_project(path)
    (path / "conf" / "tiny" / "parameters.yml").write_text(SHAPED + more)
    return project


@pytest.mark.slow
def test_processes_on_two_nodes_leave_the_bytes_of_torchruns_though_one_is_killed(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    expected = shaped(tmp_path / "torchrun")
    assert expected.run_together(3, to_outputs=["comparison"]) == 0

    found = shaped(tmp_path / "ray", ON_RAY.format(address=ray_cluster.address))
    mark, stderr = tmp_path / "killed", tmp_path / "stderr"

    def arrange() -> None:
        redirect("stderr", stderr)
        import ray_accidents

        from pmd_pipeline.training.sharded import on_ray

        accident: Any = partial(ray_accidents.die_in_an_all_reduce, mark)
        on_ray.serve_on_node = accident

    assert found.run(before=arrange, to_outputs=["comparison"]) == 0
    said = stderr.read_text()
    assert mark.exists()
    assert set(re.findall(r"Restart \d of at most 3 .*", said)) == {
        "Restart 1 of at most 3 of the training processes: the connection to a training process "
        f"broke: rank 2 on {ray_cluster.address.partition(':')[0]}: its worker process has died. "
        "Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a "
        "connection error code 2. End of file."
    }
    # Each of the two has a GPU of its own node, and sees no other.
    places = re.findall(r"rank 0 here.*?; rank 1 on [\d.]+, CUDA_VISIBLE_DEVICES=(\S+); "
                        r"rank 2 on [\d.]+, CUDA_VISIBLE_DEVICES=(\S+)", said)  # fmt: skip
    assert set(places) == {("0", "0")}

    assert found.comparison == expected.comparison
    tensors, others = expected.tensors(), found.tensors()
    assert others.keys() == tensors.keys()
    assert all(torch.equal(others[name], tensor) for name, tensor in tensors.items())
