"""What ``kedro preflight`` says of a cluster."""

import re
from pathlib import Path

import pytest
from projects import Project, make_project
from ray_clusters import RayCluster

pytestmark = pytest.mark.ray


@pytest.fixture
def project(tmp_path: Path, ray_cluster: RayCluster) -> Project:
    project = make_project(tmp_path / "project")
    parameters = f"""
compute: {{launch: ray}}
cluster:
  address: {ray_cluster.address}
  training: {{num_processes: 5, resources_per_process: {{CPU: 1, GPU: 1}}}}
"""
    file = project.path / "conf" / "tiny" / "parameters.yml"
    file.write_text(file.read_text() + parameters)
    return project


def test_nodes_and_the_place_for_training_are_shown(
    project: Project, ray_cluster: RayCluster
) -> None:
    result = project.command("preflight", "--env", "tiny")
    said = " ".join(result.stdout.split())
    assert result.returncode == 0, result.stdout + result.stderr
    host = ray_cluster.address.partition(":")[0]
    assert said.count(f"node {host} 2 CPUs, 2 GPUs, ") == 2
    assert f"node {host} 0 CPUs, 1 GPUs, " in said
    assert "5 training processes there is room" in said
    # Packed: the run's own on the head, two on each raylet.
    shares = re.findall(rf"ok training on {host} (\d) process", said)
    assert sorted(shares) == ["1", "2", "2"]


def test_what_is_missing_for_training_is_said(project: Project) -> None:
    params = "cluster.training.num_processes=6"
    result = project.command("preflight", "--env", "tiny", "--params", params)
    said = " ".join(result.stdout.split())
    assert result.returncode == 1
    assert "6 training processes: the Ray cluster is too small: wanted 1 x (1 GPU on " in said
    assert "it has no room for 1 x (1 GPU, 1 CPU), even when nothing else runs" in said
